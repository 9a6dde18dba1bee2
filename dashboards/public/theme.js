// Before the first paint: a night reader must not be met by a white flash.
// `src/settings.ts` keeps both attributes right afterwards.
(function () {
  var root = document.documentElement;
  var theme = null;
  try {
    theme = localStorage.getItem('gengfu.theme');
    root.setAttribute('data-size', localStorage.getItem('gengfu.size') || 'standard');
  } catch (_) {
    // Storage may be forbidden; the system's theme is a good answer then.
  }
  if (theme !== 'light' && theme !== 'dark') {
    theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  }
  root.setAttribute('data-theme', theme);
})();
