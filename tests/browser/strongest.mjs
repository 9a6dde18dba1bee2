// Looks at the page of the strongest findings: each has words in both languages and a drawing.
//
// Arguments: address of the page, a file.

import { join } from 'node:path';
import { openPage, overhang, withBrowser } from './page.mjs';

const [url] = process.argv.slice(2);

const seen = await withBrowser(async (browser) => {
  const faults = [];
  const context = await browser.newContext({ viewport: { width: 1180, height: 900 } });
  const page = await openPage(context, url, faults);
  await page.goto(url);
  const sections = page.locator('section[data-finding]');
  let drawn = 0;
  for (const section of await sections.all()) {
    const words = await section.innerText();
    const box = await section.locator('path.measured').boundingBox();
    const flagged = await section.locator('rect.flagged').boundingBox();
    const isSeen = box !== null && box.width > 600 && box.height > 20 && flagged !== null;
    if (!/计浪费/.test(words) || !/counted as waste/.test(words)) faults.push(`words: ${words}`);
    if (isSeen && flagged.x >= box.x - 2 && flagged.x < box.x + box.width) drawn += 1;
  }
  await page.screenshot({ path: join(process.env.STORY_FOLDER, 'strongest.png'), fullPage: true });
  return { faults, findings: await sections.count(), drawn, overhang: await overhang(page) };
});
console.log(JSON.stringify(seen));
