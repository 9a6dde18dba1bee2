// Takes pictures of every page: phone and PC, Chinese and English, light and dark.
//
// Arguments: address of the pages, user, password, folder for the pictures.

import { join } from 'node:path';
import { logIn, openPage, overhang, withBrowser } from './page.mjs';

const [url, name, password, folder] = process.argv.slice(2);

const DEVICES = {
  phone: { viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
  pc: { viewport: { width: 1440, height: 900 } },
};
// What each page shows once it has what it is about.
const PAGES = {
  today: { path: '/', shows: '.hero' },
  patrol: { path: '/patrol', shows: '[data-area="office-2f-east"][data-finding]' },
  findings: { path: '/findings', shows: '[data-kind="lights_left_on"]' },
  meters: { path: '/meters', shows: 'a[href^="/meters/light-2f-east"]' },
  meter: { path: '/meters/light-2f-east', shows: '.chart canvas' },
  mails: { path: '/mails', shows: '.mails' },
  more: { path: '/more', shows: '.page' },
};

// The pages behind a number, in the two ways that differ most: the colours and words of the
// other two are the same ones.
const BEHIND = {
  finding: { path: (from, to, finding) => `/findings/${finding}`, shows: '.finding-chart canvas' },
  why: { path: (from, to) => `/why?${new URLSearchParams({ meter: 'light-2f-east', from, to })}`, shows: '.why-steps' },
  why_energy: { path: () => '/why?tile=energy_today', shows: 'tfoot' },
  complete: { path: () => '/complete', shows: '.why-facts' },
  balance: { path: () => '/meters/office-main', shows: '.balance tbody' },
  events: { path: () => '/meters/light-2f-east/events', shows: '.empty, .event-list' },
  swap: { path: () => '/meters/light-2f-east/swap', shows: 'input[name="last"]' },
  correct: { path: () => '/meters/light-2f-east/correct', shows: 'input[name="amount"]' },
  month: { path: () => '/month', shows: '.month-totals' },
};
const WAYS = ['zh-CN light', 'en dark'];

const seen = await withBrowser(async (browser) => {
  const faults = [];
  let pictures = 0;
  const first = await browser.newContext({ locale: 'zh-CN' });
  await logIn(await openPage(first, url, faults), url, name, password, '/patrol');
  // Only who it is: language and theme are to follow the browser anew each time.
  const { cookies } = await first.storageState();
  // The day before: all of it is over, whatever the hour.
  const { profile } = await (await first.request.get(`${url}/api/v1/today`)).json();
  const began = Date.parse(profile.start_at);
  const instant = (ms) => new Date(ms).toISOString();
  const { findings } = await (await first.request.get(`${url}/api/v1/findings?order=money`)).json();
  const day = [instant(began - 86_400_000), instant(began), findings[0].id];
  await first.close();

  for (const [device, shape] of Object.entries(DEVICES)) {
    for (const locale of ['zh-CN', 'en']) {
      for (const colorScheme of ['light', 'dark']) {
        const context = await browser.newContext({
          ...shape,
          locale,
          colorScheme,
          reducedMotion: 'reduce',
          storageState: { cookies, origins: [] },
        });
        const page = await openPage(context, url, faults);
        for (const [what, { path, shows }] of Object.entries(PAGES)) {
          await page.goto(`${url}${path}`);
          await page.locator(shows).first().waitFor();
          await page.waitForFunction(() => document.querySelector('.waiting') === null);
          const file = `${what}-${device}-${locale}-${colorScheme}.png`;
          const spoken = await page.locator('html').getAttribute('lang');
          if (spoken !== locale) faults.push(`${file}: speaks ${spoken}`);
          const wide = await overhang(page);
          if (0 < wide) faults.push(`${file}: ${wide} px wider than its window`);
          await page.screenshot({ path: join(folder, file) });
          // All of it: the window grows, or what is fixed to its edges would lie in the midst.
          const height = await page.evaluate(() => document.documentElement.scrollHeight);
          await page.setViewportSize({ width: shape.viewport.width, height });
          await page.screenshot({ path: join(folder, `${what}-${device}-${locale}-${colorScheme}-whole.png`) });
          await page.setViewportSize(shape.viewport);
          pictures += 2;
        }
        for (const [what, { path, shows }] of Object.entries(WAYS.includes(`${locale} ${colorScheme}`) ? BEHIND : {})) {
          await page.goto(`${url}${path(...day)}`);
          await page.locator(shows).first().waitFor();
          await page.waitForFunction(() => document.querySelector('.waiting') === null);
          const file = `${what}-${device}-${locale}-${colorScheme}-whole.png`;
          const wide = await overhang(page);
          if (0 < wide) faults.push(`${file}: ${wide} px wider than its window`);
          const height = await page.evaluate(() => document.documentElement.scrollHeight);
          await page.setViewportSize({ width: shape.viewport.width, height });
          await page.screenshot({ path: join(folder, file) });
          await page.setViewportSize(shape.viewport);
          pictures += 1;
        }
        await context.close();
      }
    }
  }
  return { pictures, faults };
});
console.log(JSON.stringify(seen));
