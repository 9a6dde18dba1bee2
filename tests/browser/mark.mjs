// The evening round on a phone: log in, find the place, tap 已关.
//
// Arguments: address of the pages, password of the first user, area.

import { join } from 'node:path';
import { logIn, openPage, overhang, withBrowser } from './page.mjs';

const [url, password, area] = process.argv.slice(2);

const seen = await withBrowser(async (browser) => {
  const context = await browser.newContext({
    viewport: { width: 360, height: 780 },
    hasTouch: true,
    isMobile: true,
    locale: 'zh-CN',
    reducedMotion: 'reduce',
  });
  const faults = [];
  const page = await openPage(context, url, faults);
  const picture = (name) => page.screenshot({ path: join(process.env.STORY_FOLDER, name) });
  try {
    await logIn(page, url, 'engineer', password, '/patrol');
    const card = page.locator(`[data-area="${area}"][data-finding]`);
    const place = await card.locator('.left-on-place').innerText();
    const button = card.locator('[data-mark="switched_off"]');
    const said = (await button.innerText()).trim();
    if (said !== '已关') throw new Error(`the button says ${said}`);
    const box = await button.boundingBox();
    if (box === null || box.height < 44) throw new Error(`the button is ${box?.height} px high`);
    // The tap counts at once on the page; what counts here is that the gateway took it.
    const taken = page.waitForResponse(
      (answer) => answer.url().endsWith('/mark') && answer.request().method() === 'POST',
    );
    await button.tap();
    const status = (await taken).status();
    if (status !== 200) throw new Error(`the mark was answered with ${status}`);
    await card.locator('[data-mark="undo"]').waitFor();
    if (0 < (await overhang(page))) throw new Error('the page scrolls sideways at 360 px');
    if (0 < faults.length) throw new Error(faults.join('\n'));
    return { place };
  } finally {
    await picture('patrol.png');
  }
});
console.log(JSON.stringify(seen));
