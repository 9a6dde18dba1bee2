// The pages behind a number: asked by keyboard, followed down to the readings, taken home as
// a file; and what people say of a meter, looked at before it is saved and taken back after.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { User } from '../../src/api/client.ts';
import { Gateway } from '../mock/gateway.ts';
import { accessible, fits, launch, open, PC, PHONE, thumbs, visit, type Reader } from './browser.ts';

let gateway: Gateway;
let origin: string;
let browser: Browser;

before(async () => {
  gateway = new Gateway(new URL('../../dist', import.meta.url).pathname);
  origin = await gateway.listen();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await gateway.close();
});

async function reading(reader: Partial<Reader>, role: User['role'], story: (page: Page) => Promise<void>): Promise<void> {
  Object.assign(gateway.campus, { scenario: 'left_on', user: { name: '李工', role } });
  gateway.campus.events.length = 0;
  gateway.arrived.length = 0;
  const { page, faults } = await open(browser, origin, { width: PHONE, language: 'zh-CN', theme: 'light', ...reader });
  try {
    await story(page);
    assert.deepEqual(faults.filter((fault) => !fault.includes('Failed to load resource')), []);
  } finally {
    await page.context().close();
  }
}

/** Moves the focus with Tab until an element that matches has it. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
  }
  throw new Error(`Tab does not reach ${selector}`);
}

test('a number of today is followed by keyboard down to its readings', async () => {
  await reading({ width: PC }, 'leader', async (page) => {
    await visit(page, origin);
    await tabTo(page, '.tile[href="/why?tile=energy_today"]');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: '为什么是这个数' }).waitFor();
    const rows = await page.locator('tbody td:nth-child(2)').allTextContents();
    const total = await page.locator('tfoot td').first().textContent();
    const wh = (text: string | null): number => Math.round(Number((text ?? '').replace(/[^\d.]/g, '')) * 1000);
    assert.ok(Math.abs(rows.reduce((sum, row) => sum + wh(row), 0) - wh(total)) <= rows.length, `${rows.join(' + ')} = ${total ?? ''}`);

    await tabTo(page, 'tbody a');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /原始读数/ }).waitFor();
    await page.getByRole('navigation', { name: '原始读数' }).getByRole('button', { name: '下一页' }).press('Enter');
    await page.getByText('51–100，共').waitFor();
    assert.match(page.url(), /\/why\?meter=office-main&from=2026-11-23T00%3A00%3A00%2B08%3A00/);
  });
});

test('a quarter hour can be asked, and its rows go into a file', async () => {
  await reading({}, 'auditor', async (page) => {
    await visit(page, `${origin}/meters/light-2f-east`);
    await page.locator('.day-card .table-switch').click();
    await page.locator('.day-card tbody a').first().click();
    await page.getByText('2026年11月23日 周一 00:00 至 00:15').waitFor();
    const waiting = page.waitForEvent('download');
    await page.locator('section[aria-labelledby="why-readings"]').getByRole('button', { name: 'CSV' }).click();
    const file = await waiting;

    const text = await readFile(await file.path(), 'utf8');
    assert.equal(file.suggestedFilename(), 'light-2f-east-2026-11-23-readings.csv');
    const lines = text.trim().split('\r\n');
    assert.equal(lines.length, 1 + 15);
    assert.match(lines[1] ?? '', /^2026-11-23T00:00:12\+08:00,.*,office-1,7,0,true,150795610000,,true,$/);
  });
});

test('a swap is three steps, looked at before it is saved, and taken back after', async () => {
  await reading({}, 'engineer', async (page) => {
    await visit(page, `${origin}/meters/light-2f-east/swap`);
    await page.getByRole('button', { name: '下一步' }).click();
    await page.getByText('请填旧表最后的读数').waitFor();
    await page.locator('input[name="last"]').fill('482,138.1');
    await page.getByText('482,138.100').waitFor();
    await page.getByRole('button', { name: '下一步' }).click();
    await page.locator('input[name="first"]').fill('0');
    await page.getByRole('button', { name: '下一步' }).click();
    await page.locator('.preview tfoot').waitFor();
    assert.deepEqual(gateway.arrived.map(({ path }) => path), ['/meters/light-2f-east/events/preview']);
    assert.equal(gateway.campus.events.length, 0);

    await page.getByRole('button', { name: '保存' }).click();
    await page.getByRole('heading', { name: '已保存' }).waitFor();
    const { last, first, from } = gateway.campus.events[0]?.row ?? {};
    assert.deepEqual({ last, first, from }, { last: 482_138_100_000, first: 0, from: '2026-11-23T19:42:00+08:00' });

    await page.getByRole('button', { name: '撤销' }).click();
    await page.getByRole('heading', { name: '已撤销' }).waitFor();
    assert.equal(gateway.campus.events[0]?.row.undone_by, '李工');
  });
});

test('a caretaker reports a swap from a phone, and it is told to be looked at', async () => {
  await reading({}, 'caretaker', async (page) => {
    await page.setViewportSize({ width: 360, height: 720 });
    await visit(page, `${origin}/meters/light-2f-east`);
    const doors = page.getByRole('navigation', { name: '这块表' });
    assert.equal(await doors.getByRole('link', { name: '更正', exact: true }).count(), 0);
    await doors.getByRole('link', { name: '换表', exact: true }).click();
    await page.getByText('您登记后立即生效').waitFor();
    await fits(page, 'first step at 360 px');
    await thumbs(page, 'first step at 360 px');
    await page.locator('input[name="last"]').fill('482138.1');
    await page.getByRole('button', { name: '下一步' }).click();
    await page.locator('input[name="first"]').fill('0');
    await page.getByRole('button', { name: '下一步' }).click();
    await page.locator('.preview tfoot').waitFor();
    await page.locator('input[name="photo"]').fill('群里 19:31 的照片');
    await fits(page, 'third step at 360 px');
    await page.getByRole('button', { name: '保存' }).click();

    await page.getByText('值班员登记，已生效，待管理员核对').waitFor();
    await fits(page, 'reported at 360 px');
    await accessible(page, 'reported at 360 px');
    assert.equal(gateway.campus.events[0]?.row.photo, '群里 19:31 的照片');
    await page.getByRole('button', { name: '撤销' }).click();
    await page.getByRole('heading', { name: '已撤销' }).waitFor();
  });
});

for (const theme of ['light', 'dark'] as const) {
  test(`the forms are for everybody at every step: ${theme}`, async () => {
    await reading({ theme, language: 'en' }, 'engineer', async (page) => {
      const check = async (what: string): Promise<void> => {
        await fits(page, what);
        await thumbs(page, what);
        await accessible(page, what);
      };
      await visit(page, `${origin}/meters/office-main/swap`);
      await check('first step');
      await page.locator('input[name="last"]').fill('12053.45');
      await page.locator('button[type="submit"]').click();
      await page.locator('input[name="changed"]').check();
      await check('second step');
      await page.locator('input[name="first"]').fill('0');
      await page.locator('button[type="submit"]').click();
      await page.locator('.preview tfoot').waitFor();
      await check('third step');
      await page.locator('button[type="submit"]').click();
      await page.locator('.event-saved').waitFor();
      await check('saved');
      for (const kind of ['Corrected amount', 'Estimate for a gap', 'Corrected scale']) {
        await visit(page, `${origin}/meters/office-main/correct?date=2026-11-20`);
        await page.getByText(kind).click();
        await check(kind);
      }
      await visit(page, `${origin}/meters/office-main/events`);
      await check('events');
    });
  });
}

test('a main meter’s display is multiplied by its transformers', async () => {
  await reading({}, 'engineer', async (page) => {
    await visit(page, `${origin}/meters/office-main/swap`);
    await page.getByText('表上的数还要乘以倍率 40').waitFor();
    await page.locator('input[name="last"]').fill('12053.45');

    await page.getByText('482,138.000').waitFor();
  });
});

test('a correction needs a reason, shows the days before and after, and stays on record', async () => {
  await reading({}, 'engineer', async (page) => {
    await visit(page, `${origin}/meters/light-2f-east/correct?date=2026-11-20`);
    await page.locator('input[name="amount"]').fill('52.5');
    await page.getByRole('button', { name: '先看会怎样变' }).click();
    await page.getByText('请写明原因。').waitFor();
    await page.locator('textarea[name="reason"]').fill('表卡住了');
    await page.getByRole('button', { name: '先看会怎样变' }).click();
    await page.locator('.preview tbody tr').first().waitFor();
    // Other numbers, another preview.
    await page.locator('input[name="amount"]').fill('53');
    await page.getByRole('button', { name: '先看会怎样变' }).click();
    await page.locator('.preview tbody tr').first().waitFor();
    await page.getByRole('button', { name: '保存' }).click();
    await page.getByRole('link', { name: '换表与更正记录' }).click();
    await page.locator('[data-event="1"]').getByText('53.000').waitFor();
    await page.locator('[data-event="1"]').getByRole('button', { name: '撤销' }).click();

    await page.getByText('李工 于 19:42 撤销').waitFor();
    assert.equal(await page.locator('[data-event="1"]').count(), 1);
  });
});

test('what the gateway refuses is said in its words, and nothing is saved', async () => {
  await reading({}, 'engineer', async (page) => {
    await visit(page, `${origin}/meters/light-2f-east/correct`);
    await page.locator('input[name="from"]').fill('2027-01-01T00:00');
    await page.locator('input[name="to"]').fill('2027-01-02T00:00');
    await page.locator('input[name="amount"]').fill('1');
    await page.locator('textarea[name="reason"]').fill('试一下');
    await page.getByRole('button', { name: '先看会怎样变' }).click();

    await page.getByText('时间还没有到。').waitFor();
    assert.equal(gateway.campus.events.length, 0);
  });
});

test('who may not change sees the record and no form', async () => {
  await reading({}, 'leader', async (page) => {
    await visit(page, `${origin}/meters/light-2f-east/swap`);
    await page.getByText('只有管理员可以更正；换表，值班员也可以登记。').waitFor();
    assert.equal(await page.locator('form').count(), 0);
    await visit(page, `${origin}/meters/light-2f-east/events`);

    await page.getByText('还没有换过表，也没有更正过。').waitFor();
    assert.equal(await page.getByRole('link', { name: '换表', exact: true }).count(), 0);
  });
});

test('incomplete meters stand in a list, the worst first, and lead to their days', async () => {
  await reading({}, 'caretaker', async (page) => {
    await visit(page, `${origin}/complete`);
    await page.getByRole('heading', { name: '今天 2 块表数据不全' }).waitFor();
    assert.deepEqual(await page.locator('tbody th a').allTextContents(), ['教学楼燃气', '二层东区照明']);
    await page.locator('tbody th a').nth(1).click();
    await page.locator('.counts-day').first().waitFor();
    await page.getByRole('link', { name: '11月10日 周二，收到 97.2%' }).click();

    await page.getByText('2026年11月10日 周二').first().waitFor();
    assert.equal(new URL(page.url()).search, '?date=2026-11-10');
  });
});

test('a main meter is held against its sub-meters, by day and by month', async () => {
  await reading({ width: PC }, 'engineer', async (page) => {
    await visit(page, `${origin}/meters/office-main`);
    await page.locator('.balance tbody tr').nth(13).waitFor();
    await page.locator('.balance').getByText('按月').click();

    await page.locator('.balance tbody th').getByText('2026年11月').waitFor();
    assert.equal(await page.locator('.balance tbody tr').count(), 12);
  });
});

test('a meter with a suspected scale says so and what to do', async () => {
  await reading({}, 'caretaker', async (page) => {
    await visit(page, `${origin}/meters/office-plug`);

    await page.locator('.notice').getByText('请核对互感器变比和单位').waitFor();
  });
});

test('a month is there with its totals, and each meter of it can be asked', async () => {
  await reading({ width: PC }, 'leader', async (page) => {
    await visit(page, `${origin}/more`);
    await page.getByRole('link', { name: '看这个月' }).click();
    await page.getByRole('heading', { name: '2026年10月' }).waitFor();
    await page.locator('.month-meters .why-link').first().click();

    await page.getByText('2026年10月1日 周四 00:00 至 2026年11月1日 周日 00:00').waitFor();
    assert.equal(await page.locator('section[aria-labelledby="why-days"] tbody tr').count(), 31);
  });
});
