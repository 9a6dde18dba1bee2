// Looks at a commissioning sheet as paper (A4 across), on a PC and on a telephone.
//
// Arguments: the sheet in Chinese, the sheet in English, folder for the pictures.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openPage, overhang, withBrowser } from './page.mjs';

const [zh, en, folder] = process.argv.slice(2);
const DEVICES = {
  phone: { viewport: { width: 360, height: 780 }, isMobile: true, deviceScaleFactor: 2 },
  // A4 across at 96 dots an inch.
  paper: { viewport: { width: 1123, height: 794 } },
};

const seen = await withBrowser(async (browser) => {
  const faults = [];
  let pictures = 0;
  let rows = 0;
  for (const [lang, path] of Object.entries({ zh, en })) {
    const url = pathToFileURL(path).href;
    for (const [device, shape] of Object.entries(DEVICES)) {
      const context = await browser.newContext(shape);
      const page = await openPage(context, url, faults);
      await page.goto(url);
      rows = await page.locator('tbody tr').count();
      if (device === 'paper') await page.emulateMedia({ media: 'print' });
      const wide = await overhang(page);
      if (0 < wide) faults.push(`${lang} ${device}: ${wide} px too wide`);
      await page.screenshot({ path: join(folder, `sheet-${lang}-${device}.png`), fullPage: true });
      pictures += 1;
      await context.close();
    }
  }
  return { faults, pictures, rows };
});
console.log(JSON.stringify(seen));
