import { Gateway } from './mock/gateway.ts';
import { launch, open, visit } from './browser/browser.ts';
const g = new Gateway(new URL('../dist', import.meta.url).pathname); const o = await g.listen(); const b = await launch();
const { page } = await open(b, o, { width: 1440, language: 'zh-CN', theme: 'light' });
await visit(page, o + '/meters/light-2f-east');
const box = await page.locator('.year-chart').boundingBox();
if (box) await page.screenshot({ path: '/tmp/crop.png', fullPage: true, clip: { x: box.x, y: box.y+40, width: 500, height: 200 } });
await b.close(); await g.close();
