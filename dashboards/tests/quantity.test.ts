import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demand, show, showInstrument, type Language, type Quantity } from '../src/quantity.ts';

function check(value: number | null, quantity: Quantity, language: Language, text: string): void {
  // A no-break space holds number and unit together; a reader sees a space.
  assert.equal(show({ value, quantity }, { language }).text.replace(/\u00a0/g, ' '), text);
}

test('no value is a dash with its unit, never a zero', () => {
  check(null, 'energy', 'zh-CN', '– kWh');
  check(null, 'money', 'zh-CN', '– 元');
  check(null, 'percent', 'en', '–');
  check(0, 'energy', 'zh-CN', '0.00 kWh');
});

test('one quantity keeps one unit however small the number is', () => {
  check(640_000, 'power', 'en', '0.64 kW');
  check(7_830_000, 'power', 'en', '7.83 kW');
  check(31_400_000, 'power', 'en', '31.4 kW');
  check(1_967_000_000, 'energy', 'en', '1,967 kWh');
  check(84_000, 'flow', 'en', '0.084 m³/h');
});

test('from 100,000 on Chinese readers get 万, English readers do not', () => {
  check(99_999_000_000, 'energy', 'zh-CN', '99,999 kWh');
  check(100_000_000_000, 'energy', 'zh-CN', '10.00 万kWh');
  check(100_000_000_000, 'energy', 'en', '100,000 kWh');
  check(1_234_567_0000, 'money', 'zh-CN', '123.46 万元');
});

test('money is yuan in words for Chinese readers and a sign for English ones', () => {
  check(63_600, 'money', 'zh-CN', '6.36 元');
  check(63_600, 'money', 'en', '¥6.36');
  check(14_780_000, 'money', 'en', '¥1,478');
  assert.equal(show({ value: 63_600, quantity: 'money' }, { language: 'zh-CN', currency: 'EUR' }).text, '€6.36');
});

test('a completeness just under one hundred does not round up to it', () => {
  check(99_990, 'percent', 'zh-CN', '99.9%');
  check(100_000, 'percent', 'zh-CN', '100%');
  check(99_300, 'percent', 'zh-CN', '99.3%');
});

test('a small negative number is no minus zero', () => {
  check(-100, 'power', 'en', '0.00 kW');
  check(-2_500_000, 'power', 'en', '\u22122.50 kW');
});

test('a number older than ten minutes is stale, one of a finished day is not', () => {
  const stale = (age_s?: number | null): boolean =>
    show({ value: 1, quantity: 'power', ...(age_s === undefined ? {} : { age_s }) }, { language: 'en' }).stale;

  assert.equal(stale(601), true);
  assert.equal(stale(599), false);
  assert.equal(stale(null), false);
  assert.equal(stale(), false);
});

test('demand is amount per hour and a gap stays a gap', () => {
  assert.equal(demand(250_000, 900), 1_000_000);
  assert.equal(demand(0, 900), 0);
  assert.equal(demand(null, 900), null);
});

test('an instrument is read as its display shows it', () => {
  const text = (value: number | null, unit: string): string => showInstrument(value, unit, { language: 'en' }).text.replace(/\u00a0/g, ' ');

  assert.equal(text(229_400, 'V'), '229.4 V');
  assert.equal(text(482_137_300_000, 'Wh'), '482,137.30 kWh');
  assert.equal(text(968, ''), '0.968');
  assert.equal(text(null, 'var'), '– kvar');
  assert.equal(text(21_500, '°C'), '21.5 °C');
});
