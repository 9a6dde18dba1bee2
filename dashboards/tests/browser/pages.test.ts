// What only a browser can tell: that every page is there for everybody, in both languages,
// on a phone and a PC, by day and by night; and that the patrol works without a network.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Gateway } from '../mock/gateway.ts';
import { accessible, fits, launch, open, PATHS, PC, PHONE, thumbs, visit, type Language, type Reader, type Theme } from './browser.ts';

const READER: Reader = { width: PHONE, language: 'zh-CN', theme: 'light' };

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

/** Gives the test a page of its own and a fresh campus, and ends with no fault seen. */
async function reading(reader: Partial<Reader>, story: (page: Page, at: string) => Promise<void>): Promise<void> {
  Object.assign(gateway.campus, {
    scenario: 'left_on',
    user: { name: '王师傅', role: 'caretaker' },
    setupNeeded: false,
    openReading: true,
    demo: true,
    notices: [],
  });
  gateway.campus.marks.clear();
  gateway.campus.commands = [];
  gateway.arrived.length = 0;
  gateway.away = false;
  const { page, faults } = await open(browser, origin, { ...READER, ...reader });
  try {
    await story(page, origin);
    // What the gateway refused or did not answer is each story's own matter.
    assert.deepEqual(faults.filter((fault) => !/Failed to (load resource|fetch dynamically)/.test(fault)), []);
  } finally {
    gateway.away = false;
    await page.context().close();
  }
}

// A phone in all four ways; a PC has the same colours and words, so two tell as much.
const READERS: [number, Language, Theme][] = [
  [PHONE, 'zh-CN', 'light'],
  [PHONE, 'zh-CN', 'dark'],
  [PHONE, 'en', 'light'],
  [PHONE, 'en', 'dark'],
  [PC, 'zh-CN', 'dark'],
  [PC, 'en', 'light'],
];
for (const [width, language, theme] of READERS) {
  test(`every page is for everybody: ${width} px, ${language}, ${theme}`, async () => {
    await reading({ width, language, theme }, async (page, at) => {
      for (const [name, path] of Object.entries(PATHS)) {
        await visit(page, at + path);
        const what = `${name} ${width} ${language} ${theme}`;
        await fits(page, what);
        await accessible(page, what);
        if (width === PHONE) await thumbs(page, what);
      }
    });
  });
}

test('the largest text still fits the smallest phone', async () => {
  await reading({ language: 'en', size: 'largest' }, async (page, at) => {
    for (const [name, path] of Object.entries(PATHS)) {
      await visit(page, at + path);
      await fits(page, name);
    }
  });
});

test('every chart has a table with the same numbers', async () => {
  await reading({ width: PC }, async (page, at) => {
    await visit(page, `${at}/meters/light-2f-east?date=2026-11-20`);
    await page.locator('.day-card .table-switch').click();
    await page.locator('.day-card .table tbody tr').first().waitFor();
    await accessible(page, 'table');
    await page.locator('.year .table-switch').click();
    await page.locator('.year .table tbody tr').first().waitFor();

    const rows = await page.locator('.day-card .table tbody tr td:nth-child(2)').allTextContents();
    const total = await page.locator('.day-card .table tfoot td').first().textContent();
    const sum = rows.reduce((wh, text) => wh + Math.round(Number(text.replace(/,/g, '')) * 1000), 0);
    assert.equal(rows.length, 96);
    assert.ok(Math.abs(sum - Math.round(Number(total) * 1000)) <= 48, `${sum} Wh in rows, ${total} kWh below`);
    assert.equal(await page.locator('.year .table tbody tr').count(), 364);
  });
});

test('a day that was chosen is in the address and on the page', async () => {
  await reading({ width: PC }, async (page, at) => {
    await visit(page, `${at}/meters/office-main`);
    await page.locator('.day-picker input').fill('2026-10-01');
    await page.locator('.day-picker input').dispatchEvent('change');

    await page.getByText('2026年10月1日 周四 · 节假日').waitFor();
    assert.equal(new URL(page.url()).search, '?date=2026-10-01');
  });
});

test('a tap on 已关 arrives and can be taken back', async () => {
  await reading({}, async (page, at) => {
    await visit(page, `${at}/patrol`);
    await page.locator('[data-finding="11"] [data-mark="switched_off"]').click();
    await page.getByText('等电表确认').waitFor();
    await page.locator('[data-finding="11"] [data-mark="undo"]').click();
    await page.locator('[data-finding="11"] [data-mark="switched_off"]').waitFor();
    await page.waitForFunction(() => localStorage.getItem('gengfu.taps') === '[]');

    assert.deepEqual(gateway.arrived.map(({ method, path, guard }) => [method, path, guard]), [
      ['POST', '/findings/11/mark', '1'],
      ['DELETE', '/findings/11/mark', '1'],
    ]);
  });
});

test('overtime ends in two hours unless another hour is chosen', async () => {
  await reading({}, async (page, at) => {
    await visit(page, `${at}/patrol`);
    await page.locator('[data-finding="12"] [data-mark="overtime"]').click();
    await page.getByText('加班到 22:00').waitFor();
    await page.locator('[data-finding="12"]').getByRole('button', { name: '23:00' }).click();
    await page.getByText('加班到 23:00').waitFor();
    await page.waitForFunction(() => localStorage.getItem('gengfu.taps') === '[]');

    const [first, second] = gateway.arrived.map(({ body }) => (JSON.parse(body) as { until: string }).until);
    assert.equal(first, '2026-11-23T22:00:00+08:00');
    assert.equal(second, '2026-11-23T23:00:00+08:00');
  });
});

test('taps made without a network are kept, told, and sent when it is back', async () => {
  await reading({}, async (page, at) => {
    await visit(page, `${at}/patrol`);
    gateway.away = true;
    await page.locator('[data-finding="11"] [data-mark="switched_off"]').click();
    await page.locator('[data-finding="12"] [data-mark="false_alarm"]').click();
    await page.getByText('2 个标记还没发出去').waitFor();
    await page.getByText('还有 1 处要看').waitFor();
    assert.equal(gateway.arrived.length, 0);

    gateway.away = false;
    await page.reload();

    await page.waitForFunction(() => localStorage.getItem('gengfu.taps') === '[]');
    assert.deepEqual([...gateway.campus.marks.keys()], [11, 12]);
  });
});

test('who may not mark gets no buttons but is told why', async () => {
  await reading({}, async (page, at) => {
    gateway.campus.user = null;
    await visit(page, `${at}/patrol`);

    await page.getByText('后可以标记').waitFor();
    assert.equal(await page.locator('[data-mark]').count(), 0);
  });
});

test('all off says so with the time', async () => {
  await reading({}, async (page, at) => {
    gateway.campus.scenario = 'all_off';
    await visit(page, `${at}/patrol`);

    assert.match((await page.locator('h1').textContent()) ?? '', /全部关好\s+19:42/);
  });
});

test('a place that has just closed is not called off', async () => {
  await reading({}, async (page, at) => {
    gateway.campus.scenario = 'just_closed';
    await visit(page, `${at}/patrol`);

    assert.equal(await page.locator('h1').textContent(), '刚下班，20:15 起有结论');
    assert.equal(await page.getByText('没问题').count(), 0);
    await accessible(page, 'just closed');
  });
});

test('a site without history says that it is learning and compares nothing', async () => {
  await reading({}, async (page, at) => {
    gateway.campus.scenario = 'learning';
    await visit(page, at);

    await page.getByText('像今天这样的日子要满 3 天才能比较，现在有 1 天。').waitFor();
    assert.equal(await page.locator('.tile-standing').getByText('还在学习').count(), 3);
    await accessible(page, 'learning');
  });
});

test('a finding that opens appears without a reload', async () => {
  await reading({}, async (page, at) => {
    gateway.campus.scenario = 'all_off';
    await visit(page, at);
    await page.getByText('该关的都关了').waitFor();

    gateway.campus.scenario = 'left_on';
    gateway.tell('finding', { id: 11, state: 'open', kind: 'lights_left_on' });

    await page.getByText('现在 3 处该关未关').waitFor();
  });
});

test('a reading moves the number on the page', async () => {
  await reading({ width: PC }, async (page, at) => {
    await visit(page, `${at}/meters/light-2f-east`);

    gateway.tell('reading', { meter: 'light-2f-east', at: '2026-11-23T19:42:30+08:00', power_mw: 1_230_000, flow_ml_h: null });

    await page.locator('.meter-figures').getByText('1.23').waitFor();
  });
});

test('a lost connection is told with the age of the numbers, and found again', async () => {
  await reading({}, async (page, at) => {
    await visit(page, at);
    gateway.away = true;
    gateway.hangUp();
    await page.locator('.notice').getByText('数据截至 19:41，正在重连…').waitFor({ timeout: 20_000 });
    assert.ok(await page.locator('main.is-stale').count());

    gateway.away = false;

    await page.locator('main:not(.is-stale)').waitFor({ timeout: 40_000 });
  });
});

test('a gateway that is away has a page that says so', async () => {
  await reading({}, async (page, at) => {
    gateway.away = true;
    await page.goto(at);
    await page.getByText('连不上更夫').waitFor();
    gateway.away = false;
    await page.getByRole('button', { name: '再试一次' }).click();

    await page.getByText('现在 3 处该关未关').waitFor();
  });
});

test('a page whose program could not be fetched says so and can be tried again', async () => {
  await reading({}, async (page, at) => {
    await visit(page, at);
    await page.route(/assets\/Why-.*\.js/, (route) => route.abort());
    await page.locator('.tile').first().click();
    await page.getByText('连不上更夫').waitFor();
    await page.unroute(/assets\/Why-.*\.js/);
    await page.getByRole('button', { name: '再试一次' }).click();

    await page.getByRole('heading', { name: '为什么是这个数' }).waitFor();
  });
});

test('the log-in leads to the place that was asked for', async () => {
  await reading({}, async (page, at) => {
    gateway.campus.user = null;
    gateway.campus.openReading = false;
    await page.goto(`${at}/patrol#finding-12`);
    await page.locator('input[name="name"]').fill('wang');
    await page.locator('input[name="password"]').fill('wrong');
    await page.locator('form button').click();
    await page.getByText('用户名或密码不对').waitFor();
    await page.locator('input[name="password"]').fill('correct horse');
    await page.locator('form button').click();

    await page.locator('[data-finding="12"]').waitFor();
    assert.equal(page.url(), `${at}/patrol#finding-12`);
  });
});

test('the first user chooses the first password', async () => {
  await reading({}, async (page, at) => {
    gateway.campus.setupNeeded = true;
    await page.goto(at);
    await page.locator('input[name="name"]').fill('wang');
    await page.locator('input[name="password"]').fill('short');
    await page.locator('input[name="again"]').fill('short');
    await page.locator('form button').click();
    await page.getByText('密码至少要 10 个字符').waitFor();
    await accessible(page, 'setup');
    await page.locator('input[name="password"]').fill('long enough at last');
    await page.locator('input[name="again"]').fill('long enough at last');
    await page.locator('form button').click();

    await page.locator('#sentence').waitFor();
    assert.equal(gateway.arrived[0]?.path, '/setup');
  });
});

test('a mail’s script does not run and its text is there', async () => {
  await reading({ width: PC }, async (page, at) => {
    await visit(page, `${at}/mails?id=2`);
    await page.frameLocator('.mail-html').getByText('打开下班巡检').waitFor();

    assert.notEqual(await page.title(), 'broken');
    await page.getByText('纯文字').click();
    await page.locator('.mail-text').getByText('照明回路仍在用电').waitFor();
  });
});

test('language, text size and theme are kept for the next visit', async () => {
  await reading({}, async (page, at) => {
    await visit(page, `${at}/more`);
    await page.getByText('English').click();
    await page.getByText('Large', { exact: true }).click();
    await page.getByText('Dark').click();
    await visit(page, `${at}/patrol`);

    const root = await page.evaluate(() => ({ ...document.documentElement.dataset, lang: document.documentElement.lang }));
    assert.deepEqual(root, { theme: 'dark', size: 'large', lang: 'en' });
  });
});

test('over plain HTTP on the local network the page works as well', async () => {
  await reading({}, async (page) => {
    const lan = origin.replace('127.0.0.1', 'gateway.lan');
    // Another origin than the one that is watched for foreign requests.
    page.removeAllListeners('request');
    await visit(page, `${lan}/patrol`);

    assert.equal(await page.evaluate(() => isSecureContext), false);
    await page.locator('[data-finding="11"] [data-mark="switched_off"]').click();
    await page.getByText('等电表确认').waitFor();
  });
});

test('the first paint is under 100 KB and asks for no chart', async (context) => {
  await reading({}, async (page, at) => {
    const asked: string[] = [];
    page.on('response', (response) => asked.push(new URL(response.url()).pathname));
    await visit(page, `${at}/patrol`);

    assert.ok(asked.some((path) => path.endsWith('.js')));
    assert.ok(!asked.some((path) => path.includes('echarts')), asked.join(' '));
    const { readFileSync, existsSync } = await import('node:fs');
    const dist = new URL('../../dist', import.meta.url).pathname;
    const bytes = asked
      .filter((path) => !path.startsWith('/api/') && path.includes('.'))
      .concat('/index.html')
      .reduce((sum, path) => sum + readFileSync(existsSync(`${dist}${path}.gz`) ? `${dist}${path}.gz` : dist + path).length, 0);
    context.diagnostic(`first paint of the patrol: ${bytes} bytes, compressed`);
    assert.ok(bytes < 100_000, `${bytes} bytes`);
  });
});

test('a leak is found from Today, and a false alarm needs a reason', async () => {
  await reading({}, async (page, at) => {
    await visit(page, `${at}/`);
    await page.locator('a.others').click();
    await page.locator('[data-kind="leak"] .found-link').click();
    await page.locator('.chart canvas').waitFor();
    await page.locator('[data-ask="false_alarm"]').click();
    assert.equal(await page.locator('[data-mark="false_alarm"]').isDisabled(), true);
    await page.locator('input[name="reason"]').fill('消防试水');
    await page.locator('[data-mark="false_alarm"]').click();
    await page.getByText('原因：消防试水').waitFor();
    await page.waitForFunction(() => localStorage.getItem('gengfu.taps') === '[]');

    const [sent] = gateway.arrived;
    assert.deepEqual([sent?.path, JSON.parse(sent?.body ?? '')], ['/findings/21/mark', { kind: 'false_alarm', note: '消防试水' }]);

    // It is no work any more: it lies below, among what is over.
    await page.goto(`${at}/findings`);
    await page.locator('.found-closed summary').waitFor();
    assert.equal(await page.locator('.page > .found-list [data-kind="leak"]').count(), 0);
  });
});

test('findings can be looked at by kind, and the address says which', async () => {
  await reading({ width: PC }, async (page, at) => {
    await visit(page, `${at}/findings`);
    await page.getByText('用水', { exact: true }).click();
    await page.waitForFunction(() => document.querySelectorAll('.page > .found-list .found').length === 1);

    assert.equal(new URL(page.url()).search, '?of=water');
  });
});
