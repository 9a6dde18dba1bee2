// `npm run pictures`: every page as a phone and a PC show it, to be looked at by a person.
// Three kinds of fault show only here: overlaps, bad contrast on a picture, ugliness.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Gateway } from '../mock/gateway.ts';
import type { Scenario } from '../mock/campus.ts';
import { launch, open, PATHS, PC, PHONE, visit, type Language, type Theme } from './browser.ts';

const folder = process.argv[2] ?? new URL('../../../tests/screenshots/pages', import.meta.url).pathname;
const wanted = process.argv[3] ?? '';
mkdirSync(folder, { recursive: true });

const gateway = new Gateway(new URL('../../dist', import.meta.url).pathname);
const origin = await gateway.listen();
const browser = await launch();

async function take(name: string, path: string, width: number, language: Language, theme: Theme, button?: string): Promise<void> {
  const file = `${name}-${width}-${language}-${theme}.png`;
  if (!file.includes(wanted)) return;
  const { page, faults } = await open(browser, origin, { width, language, theme });
  await visit(page, origin + path);
  if (button !== undefined) {
    await page.locator(button).click();
    await page.waitForLoadState('networkidle');
  }
  // The whole page as one screen: a bar at the foot must not lie across its middle.
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.max(height, 740) });
  await page.waitForTimeout(150);
  await page.screenshot({ path: join(folder, file), fullPage: true });
  console.log(file, faults.join(' | '));
  await page.context().close();
}

for (const width of [PHONE, PC]) {
  for (const language of ['zh-CN', 'en'] as const) {
    for (const theme of ['light', 'dark'] as const) {
      gateway.campus.scenario = 'left_on';
      gateway.campus.setupNeeded = false;
      for (const [name, path] of Object.entries(PATHS)) await take(name, path, width, language, theme);
      await take('meter-demand', '/meters/office-main', width, language, theme);
      // What they answer, and not only what they ask.
      for (const name of ['preview', 'savings']) await take(`${name}-answered`, PATHS[name] ?? '/', width, language, theme, '.ask-form [type=submit]');
      for (const scenario of ['all_off', 'working', 'no_data', 'just_closed', 'learning'] as Scenario[]) {
        gateway.campus.scenario = scenario;
        await take(`today-${scenario}`, '/', width, language, theme);
        await take(`patrol-${scenario}`, '/patrol', width, language, theme);
      }
      gateway.campus.setupNeeded = true;
      await take('setup', '/', width, language, theme);
    }
  }
}
await browser.close();
await gateway.close();
