import vue from '@vitejs/plugin-vue';
import { defineConfig, type Plugin } from 'vite';
import { compress } from './compress.ts';

/**
 * Sections of the shared catalogue that only the gateway prints. What a mail says of a finding
 * and what to do stands on the finding's page in the same words.
 */
const NOT_ON_PAGES = /^(mail(?!\.\w+\.opened\.(lead|step))|report|error|savings|scan)\./;

/** Leaves out of the catalogue what no page says. */
function catalogue(): Plugin {
  return {
    name: 'gengfu-catalogue',
    enforce: 'pre',
    transform(code, id) {
      if (!/[\\/]locales[\\/][\w-]+\.json$/.test(id)) return null;
      const all = Object.entries(JSON.parse(code) as Record<string, string>);
      const said = Object.fromEntries(all.filter(([key]) => !NOT_ON_PAGES.test(key)));
      return { code: JSON.stringify(said), map: null };
    },
  };
}

export default defineConfig({
  plugins: [catalogue(), vue(), compress()],
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: false,
  },
  build: {
    // Chrome 86 is the kernel of the 360 and 信创 browsers still found in offices.
    target: ['chrome86', 'safari14'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // ECharts is one lazy chunk of about 680 KB; the first paint never waits for it.
    chunkSizeWarningLimit: 800,
  },
  server: {
    proxy: { '/api': process.env.GENGFU_API ?? 'http://127.0.0.1:8086' },
  },
});
