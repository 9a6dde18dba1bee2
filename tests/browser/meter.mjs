// A meter's page on a PC: what it shows as the power now.
//
// Arguments: address of the pages, password of the first user, meter.

import { join } from 'node:path';
import { logIn, openPage, withBrowser } from './page.mjs';

const [url, password, meter] = process.argv.slice(2);

const seen = await withBrowser(async (browser) => {
  const context = await browser.newContext({ locale: 'zh-CN', reducedMotion: 'reduce' });
  const faults = [];
  const page = await openPage(context, url, faults);
  try {
    await logIn(page, url, 'engineer', password, `/meters/${meter}`);
    const now = page.locator('.meter-figures .amount').first();
    const number = now.locator('.amount-number');
    await number.filter({ hasText: /\d/ }).waitFor();
    const [power, unit] = [await number.innerText(), await now.locator('.amount-unit').innerText()];
    if (0 < faults.length) throw new Error(faults.join('\n'));
    return { power: power.trim().replaceAll(',', ''), unit: unit.trim() };
  } finally {
    await page.screenshot({ path: join(process.env.STORY_FOLDER, 'meter.png') });
  }
});
console.log(JSON.stringify(seen));
