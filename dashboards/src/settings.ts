// What this reader chose on this device: language, text size, theme.
//
// `public/theme.js` reads the same keys before the first paint.

import { computed, reactive, watchEffect } from 'vue';
import { speak } from './api/client.ts';
import type { Language } from './quantity.ts';

export const LANGUAGES = ['zh-CN', 'en'] as const;
export const SIZES = ['standard', 'large', 'largest'] as const;
export const THEMES = ['system', 'light', 'dark'] as const;

export type Size = (typeof SIZES)[number];
export type Theme = (typeof THEMES)[number];

/** Storage may be forbidden or full; then the choice lasts as long as the page. */
function stored(key: string): string | null {
  try {
    return localStorage.getItem(`gengfu.${key}`);
  } catch {
    return null;
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(`gengfu.${key}`, value);
  } catch {
    // Said above.
  }
}

function oneOf<T extends string>(all: readonly T[], value: string | null, otherwise: T): T {
  return all.find((known) => known === value) ?? otherwise;
}

/** Chinese first: only a browser that asks for no Chinese at all gets English unasked. */
function languageOfBrowser(): Language {
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith('zh')) ? 'zh-CN' : 'en';
}

export const settings = reactive({
  language: oneOf<Language>(LANGUAGES, stored('language'), languageOfBrowser()),
  size: oneOf<Size>(SIZES, stored('size'), 'standard'),
  theme: oneOf<Theme>(THEMES, stored('theme'), 'system'),
});

/** Whether the system asks for a dark page, and whether the page is being printed. */
const outside = reactive({ dark: false, printing: false });

/** The theme on screen. Paper is always light. */
export const shownTheme = computed<'light' | 'dark'>(() => {
  if (outside.printing) return 'light';
  if (settings.theme !== 'system') return settings.theme;
  return outside.dark ? 'dark' : 'light';
});

/** Shows the settings on the document, now and whenever one changes. */
export function applySettings(): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  outside.dark = dark.matches;
  // Safari 13 knows only the older form; 14 knows this one.
  dark.addEventListener('change', () => {
    outside.dark = dark.matches;
  });
  const printing = (now: boolean) => () => {
    outside.printing = now;
  };
  addEventListener('beforeprint', printing(true));
  addEventListener('afterprint', printing(false));
  watchEffect(
    () => {
      const root = document.documentElement;
      root.lang = settings.language;
      root.dataset['size'] = settings.size;
      root.dataset['theme'] = shownTheme.value;
      speak(settings.language);
      store('language', settings.language);
      store('size', settings.size);
      store('theme', settings.theme);
    },
    // The printer does not wait for the next tick.
    { flush: 'sync' },
  );
}
