import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { slicesOf, standsOf } from '../src/balance.ts';
import { verdictOf, weeksOf } from '../src/completeness.ts';
import { csv } from '../src/csv.ts';
import { correctionOf, factorOf, isMissing, newMissing, oldMissing, ratioOf, standOf, swapOf, type CorrectionForm, type SwapForm } from '../src/events.ts';
import { parsed, showExact, showRate } from '../src/quantity.ts';
import { placeOf } from '../src/route.ts';
import { atWall, dayStart, wallOf } from '../src/time.ts';
import { Campus } from './mock/campus.ts';
import { balance, counts, tileRows, why as whyOf } from './mock/truth.ts';

// Settings ask the browser which language it speaks; here nobody does.
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['zh-CN'] }, configurable: true });
let why: typeof import('../src/why.ts');
before(async () => {
  why = await import('../src/why.ts');
  (await import('../src/settings.ts')).settings.language = 'zh-CN';
});
const plain = (text: string): string => text.replace(/\u00a0/g, ' ');

test('what is typed is moved into integers, never multiplied', () => {
  assert.equal(parsed('150795.61', 'energy'), 150_795_610_000);
  assert.equal(parsed('0.1', 'energy'), 100_000);
  assert.equal(parsed('1,234.5678901', 'volume'), 1_234_567_890);
  assert.equal(parsed('１２３．５', 'energy'), 123_500_000);
  assert.equal(parsed('40', 1000), 40_000);
  for (const typed of ['', ' ', '-1', '1e3', '12 kWh', '1.2.3', '.5']) assert.equal(parsed(typed, 'energy'), null, typed);
});

test('an amount that is worked out again is never rounded to 万', () => {
  assert.equal(plain(showExact(150_795_610_000_000, 'energy', { language: 'zh-CN' }).text), '150,795,610.000 kWh');
  assert.equal(plain(showExact(null, 'volume', { language: 'en' }).text), '– m³');
});

test('a rate has four decimals and its unit', () => {
  assert.equal(plain(showRate(8123, 'Wh', { language: 'zh-CN' })), '0.8123 元/kWh');
  assert.equal(plain(showRate(41_000, 'L', { language: 'en' })), '¥4.1000/m³');
});

test('a time of a form is an instant of the site, also where clocks change', () => {
  assert.equal(atWall('2026-11-23T19:30', 'Asia/Shanghai'), '2026-11-23T19:30:00+08:00');
  assert.equal(atWall('2026-03-29T01:45', 'Europe/Berlin'), '2026-03-29T01:45:00+01:00');
  assert.equal(atWall('2026-03-29T03:15', 'Europe/Berlin'), '2026-03-29T03:15:00+02:00');
  assert.equal(dayStart('2026-10-26', 'Europe/Berlin'), '2026-10-26T00:00:00+01:00');
  assert.equal(dayStart('2026-07-01', 'America/St_Johns'), '2026-07-01T00:00:00-02:30');
  assert.equal(wallOf('2026-11-23T19:42:05+08:00'), '2026-11-23T19:42');
  assert.equal(wallOf('2026-11-23T19:42:05+08:00', true), '2026-11-23T19:30');
});

test('a file of rows opens in a spreadsheet and runs nothing there', () => {
  const text = csv(['at', 'reason'], [['10:15', 'wet, "loose"'], [1.5, '=HYPERLINK("x")'], [null, '-1 kWh']]);

  assert.equal(text, '\ufeffat,reason\r\n10:15,"wet, ""loose"""\r\n1.5,"\'=HYPERLINK(""x"")"\r\n,\'-1 kWh\r\n');
});

test('a sentence’s gaps are written by what their names end in', () => {
  const params = why.paramsOf(
    {
      code: 'counted',
      params: { from_at: '2026-11-23T09:30:00+08:00', to_at: '2026-11-24T00:15:00+08:00', from_value: '150795610000', amount: '1610000', laid: '805000', missing_s: '5400', cost_e4: '8123', rate_e4: '8123', level_milli: '100', links: '17', by: '王师傅', band: 'peak' },
    },
    'Wh',
    '2026-11-23',
  );

  const told = Object.fromEntries(Object.entries(params).map(([key, value]) => [key, plain(String(value))]));
  assert.deepEqual(told, {
    from_at: '09:30', to_at: '11月24日 周二 00:15', from_value: '150,795.610 kWh', amount: '1.610 kWh', laid: '0.805 kWh',
    missing_s: '1 小时 30 分', cost_e4: '0.81 元', rate_e4: '0.8123 元/kWh', level_milli: '100', links: '17', by: '王师傅', band: '峰',
  });
});

test('a span is said as a day, a part of one, or from one to another', () => {
  assert.equal(why.spanText('2026-11-23T00:00:00+08:00', '2026-11-24T00:00:00+08:00'), '2026年11月23日 周一');
  assert.equal(why.spanText('2026-11-23T23:45:00+08:00', '2026-11-24T00:00:00+08:00'), '2026年11月23日 周一 23:45 至 24:00');
  assert.equal(why.spanText('2026-11-23T10:15:00+08:00', '2026-11-23T10:30:00+08:00'), '2026年11月23日 周一 10:15 至 10:30');
  assert.equal(why.spanText('2026-10-31T00:00:00+08:00', '2026-11-02T00:00:00+08:00'), '2026年10月31日 周六 00:00 至 2026年11月2日 周一 00:00');
});

test('what it comes to stands before how it came about', () => {
  const answer = whyOf(new Campus(), new URLSearchParams({ meter: 'office-plug', from: '2026-11-23T00:00:00+08:00', to: '2026-11-24T00:00:00+08:00', figure: 'cost' }));
  assert.ok(answer !== null);

  const { lead, steps } = why.inOrder(answer.sentences);

  assert.deepEqual(lead.map(({ code }) => code), ['sum', 'cost']);
  assert.deepEqual(steps.map(({ code }) => code), ['counted', 'gap_shape', 'level', 'rate']);
  assert.deepEqual(why.flagsOf(answer.sentences).map(({ advice }) => advice), ['page.flag.level']);
});

test('the address of a question survives the plus of its offset', () => {
  const path = why.whyPath('light 2/f', '2026-11-23T00:00:00+08:00', '2026-11-24T00:00:00+08:00', 'cost');
  const [page = '', search = ''] = path.split('?');

  assert.deepEqual(placeOf(page, `?${search}`), {
    page: 'why',
    id: '',
    query: { meter: 'light 2/f', from: '2026-11-23T00:00:00+08:00', to: '2026-11-24T00:00:00+08:00', figure: 'cost' },
  });
  assert.equal(why.whyTilePath('cost_today'), '/why?tile=cost_today');
});

test('pages about a meter and a month have addresses, and others have none', () => {
  assert.deepEqual(placeOf('/meters/light%2F2/swap', ''), { page: 'swap', id: 'light/2', query: {} });
  assert.equal(placeOf('/meters/a/correct', '?date=2026-11-23').page, 'correct');
  assert.equal(placeOf('/meters/a/events/3', '').page, 'unknown');
  assert.deepEqual(placeOf('/month/2026-10', ''), { page: 'month', id: '2026-10', query: {} });
  assert.equal(placeOf('/month', '').page, 'month');
  assert.equal(placeOf('/month/october', '').page, 'unknown');
});

const SWAP: SwapForm = { at: '2026-11-23T10:15', last: '3769.89', first: '0.05', times: false, changed: false, model: '', pt: '', ct: '', reason: ' 到期轮换 ', photo: '' };

test('a swap says what both displays showed and when', () => {
  assert.deepEqual(swapOf(SWAP, 'Wh', 'Asia/Shanghai', 1), {
    kind: 'swap', from: '2026-11-23T10:15:00+08:00', last: 3_769_890_000, first: 50_000, reason: '到期轮换',
  });
});

test('displays before the transformers are multiplied, each by its own ratio', () => {
  const form = { ...SWAP, times: true, changed: true, model: 'chint-dtsu666', ct: '80', photo: '柜门内侧' };

  assert.deepEqual(swapOf(form, 'Wh', 'Asia/Shanghai', factorOf(1000, 40_000)), {
    kind: 'swap', from: '2026-11-23T10:15:00+08:00', last: 150_795_600_000, first: 4_000_000,
    new: { model: 'chint-dtsu666', ct: 80_000 }, reason: '到期轮换', photo: '柜门内侧',
  });
});

test('each step of a swap says what it still lacks', () => {
  assert.equal(oldMissing({ ...SWAP, at: '' }, 'Wh'), 'page.event.want.at');
  assert.equal(oldMissing({ ...SWAP, last: '-3' }, 'Wh'), 'page.event.want.last');
  assert.equal(newMissing({ ...SWAP, first: 'x' }, 'Wh'), 'page.event.want.first');
  assert.equal(newMissing({ ...SWAP, changed: true, ct: '40:1' }, 'Wh'), 'page.event.want.ratio');
  assert.equal(newMissing(SWAP, 'Wh'), null);
  assert.ok(isMissing(swapOf({ ...SWAP, last: '' }, 'Wh', 'UTC', 1)));
  assert.equal(ratioOf('0'), null);
  assert.equal(standOf('2.5', 'L', 1), 2_500_000);
});

test('corrections, estimates and scales become what the gateway takes', () => {
  const form: CorrectionForm = { kind: 'correction', from: '2026-11-23T10:00', to: '2026-11-23T12:00', amount: '12.5', num: '10', den: '1', reason: '表卡住了', photo: '' };
  const zone = 'Asia/Shanghai';
  const span = { from: '2026-11-23T10:00:00+08:00', to: '2026-11-23T12:00:00+08:00' };

  assert.deepEqual(correctionOf(form, 'Wh', zone), { kind: 'correction', ...span, amount: 12_500_000, reason: '表卡住了' });
  assert.deepEqual(correctionOf({ ...form, kind: 'estimate' }, 'Wh', zone), { kind: 'estimate', ...span, amount: 12_500_000, reason: '表卡住了' });
  assert.deepEqual(correctionOf({ ...form, kind: 'scale', to: '' }, 'Wh', zone), { kind: 'scale', from: span.from, num: 10, den: 1, reason: '表卡住了' });
  assert.deepEqual(correctionOf({ ...form, amount: '' }, 'Wh', zone), { missing: 'page.event.want.amount' });
  assert.deepEqual(correctionOf({ ...form, kind: 'scale', num: '1.5' }, 'Wh', zone), { missing: 'page.event.want.factor' });
  assert.deepEqual(correctionOf({ ...form, to: '' }, 'Wh', zone), { missing: 'page.event.want.to' });
});

test('five weeks stand in rows from Monday on', () => {
  const answer = counts('light-2f-east', new URLSearchParams({ from: '2026-10-28', to: '2026-11-23' }));
  const weeks = weeksOf(answer?.days ?? []);

  assert.deepEqual(weeks.map((week) => week.length), [7, 7, 7, 7, 7]);
  assert.deepEqual(weeks[0]?.map((day) => day?.date ?? null).slice(0, 3), [null, null, '2026-10-28']);
  assert.equal(weeks[4]?.[0]?.date, '2026-11-23');
  assert.deepEqual(weeksOf([]), []);
});

test('a day is good from 99 % on, thin below 95, and nothing where nothing was due', () => {
  assert.deepEqual([1000, 990, 989, 950, 949, 0, null].map((received_milli) => verdictOf({ received_milli })), ['good', 'good', 'attention', 'attention', 'bad', 'bad', 'none']);
});

test('a balance is cut into parts and the rest, and says what it means', () => {
  const row = { from: '', to: '', main: 1000, parts: [200, 500, 0], rest: 300, rest_milli: 300, compared_milli: 1000, estimated_milli: 0, negative: false };

  assert.deepEqual(slicesOf(row), [{ part: 1, milli: 500 }, { part: 0, milli: 200 }, { part: null, milli: 300 }]);
  assert.deepEqual(slicesOf({ ...row, main: 500, rest: -200, negative: true }).map(({ milli }) => milli), [714, 286]);
  assert.deepEqual(slicesOf({ ...row, rest: null }), []);
  assert.equal(standsOf(row), 'much');
  assert.equal(standsOf({ ...row, rest_milli: 99 }), 'little');
  assert.equal(standsOf({ ...row, rest: -1, negative: true }), 'negative');
  assert.equal(standsOf({ ...row, rest: null, rest_milli: null }), 'none');
});

test('the mock adds up like the gateway: rows equal totals', () => {
  const campus = new Campus();
  const rows = tileRows(campus, 'energy_today');
  const shares = balance(campus, 'office-main', new URLSearchParams({ from: '2026-11-20', to: '2026-11-23' }));

  assert.equal(rows?.rows.reduce((sum, row) => sum + (row.value ?? 0), 0), rows?.value);
  assert.equal(shares?.rows.length, 4);
  assert.equal(shares?.rows.reduce((sum, row) => sum + row.main, 0), shares?.total.main);
});
