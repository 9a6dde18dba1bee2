// Switching a circuit from the page: it asks once, says what goes dark, and then tells no more
// than what is known.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Gateway } from '../mock/gateway.ts';
import { answered } from '../mock/switches.ts';
import { accessible, fits, launch, open, PHONE, thumbs, visit } from './browser.ts';

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

async function reading(role: 'caretaker' | 'engineer' | 'leader', path: string, story: (page: Page) => Promise<void>): Promise<void> {
  Object.assign(gateway.campus, { scenario: 'left_on', user: { name: '王师傅', role }, commands: [] });
  gateway.arrived.length = 0;
  const { page, faults } = await open(browser, origin, { width: PHONE, language: 'zh-CN', theme: 'light' });
  try {
    await visit(page, origin + path);
    await story(page);
    assert.deepEqual(faults.filter((fault) => !/Failed to load resource/.test(fault)), []);
  } finally {
    await page.context().close();
  }
}

const state = (page: Page, of: string) => page.locator(`.switch-state[data-state="${of}"]`);

test('a circuit is switched off only after it was asked, and what was read back is told', async () => {
  await reading('caretaker', '/findings/12', async (page) => {
    await page.click('[data-switch-off]');
    const question = await page.locator('.switch-ask').innerText();
    assert.match(question, /二层东区照明/);
    assert.match(question, /会变暗：.+、.+。/);
    assert.equal(gateway.arrived.length, 0, 'nothing leaves before it was asked');
    await accessible(page, 'asking');
    await fits(page, 'asking');
    await thumbs(page, 'asking');

    await page.click('[data-switch-confirm]');
    await state(page, 'sent').waitFor();
    assert.deepEqual(JSON.parse(gateway.arrived[0]?.body ?? ''), { task: { kind: 'switch', circuit: 'light-2f-east', on: false } });
    assert.equal(gateway.arrived[0]?.path, '/nodes/node-office/commands');
    assert.equal(await page.locator('[data-switch-off]').count(), 0, 'one command at a time');

    answered(gateway.campus, 'done', false);
    gateway.tell('command', { id: 1, node: 'node-office' });
    await state(page, 'done').waitFor();
    assert.match(await state(page, 'done').innerText(), /继电器已断开.*读回确认.*以电表为准/);
    await accessible(page, 'done');
  });
});

test('a command that came to nothing says so, and what to do instead', async () => {
  await reading('engineer', '/findings/12', async (page) => {
    for (const [outcome, readBack, words] of [
      ['failed', true, /读回仍是接通/],
      ['failed', null, /没有回答/],
      ['refused', null, /没有执行/],
      ['unanswered', null, /不知道有没有执行/],
      ['undelivered', null, /不在线，没有执行/],
    ] as const) {
      await page.click('[data-switch-off]');
      await page.click('[data-switch-confirm]');
      await state(page, 'sent').waitFor();
      answered(gateway.campus, outcome, readBack);
      gateway.tell('command', { id: 1, node: 'node-office' });
      await state(page, outcome).waitFor();
      assert.match(await state(page, outcome).innerText(), words);
      await fits(page, outcome);
    }
  });
});

test('no command leaves when the answer is no', async () => {
  await reading('engineer', '/meters/light-2f-east', async (page) => {
    await page.click('[data-switch-on]');
    await page.locator('.switch-ask button:not([data-switch-confirm])').click();
    await page.locator('[data-switch-off]').waitFor();
    assert.equal(gateway.arrived.length, 0);
  });
});

test('a node shows itself at once, and starts again only after it was asked', async () => {
  await reading('engineer', '/more', async (page) => {
    const first = page.locator('.node-buttons').first();
    await first.locator('[data-node-identify]').click();
    await first.locator('[data-state="sent"]').waitFor();
    assert.deepEqual(JSON.parse(gateway.arrived[0]?.body ?? ''), { task: { kind: 'identify' } });
    answered(gateway.campus, 'done', null);
    gateway.tell('command', { id: 1, node: 'any' });
    await first.locator('[data-state="done"]').waitFor();

    await first.locator('[data-node-reboot]').click();
    assert.equal(gateway.arrived.length, 1, 'nothing leaves before it was asked');
    await accessible(page, 'asking');
    await fits(page, 'asking');
    await thumbs(page, 'asking');
    await first.locator('[data-node-sure]').click();
    await first.locator('[data-state="sent"]').waitFor();
    answered(gateway.campus, 'refused', null);
    gateway.tell('command', { id: 1, node: 'any' });
    await first.locator('[data-state="refused"]').waitFor();
    assert.match(await first.innerText(), /请在那台机器上重启/);
  });
});

test('who may not switch gets no button, and a meter without a switch has none', async () => {
  await reading('leader', '/findings/12', async (page) => {
    await page.locator('.finding-steps').waitFor();
    assert.equal(await page.locator('.switch').count(), 0);
  });
  await reading('engineer', '/meters/office-main', async (page) => {
    await page.locator('.meter-head').waitFor();
    assert.equal(await page.locator('.switch').count(), 0);
  });
});
