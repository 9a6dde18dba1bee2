import assert from 'node:assert/strict';
import { before, test } from 'node:test';

// Settings ask the browser which language it speaks; here nobody does.
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['zh-CN'] }, configurable: true });
let words: typeof import('../src/language.ts');
let settings: typeof import('../src/settings.ts').settings;
before(async () => {
  words = await import('../src/language.ts');
  ({ settings } = await import('../src/settings.ts'));
});

test('a time of another day says which day in the fewest words', () => {
  settings.language = 'zh-CN';
  assert.equal(words.whenText('2026-11-23T19:42:00+08:00', '2026-11-23'), '19:42');
  assert.equal(words.whenText('2026-11-22T23:05:00+08:00', '2026-11-23'), '昨天 23:05');
  assert.equal(words.whenText('2026-11-24T00:30:00+08:00', '2026-11-23'), '明天 00:30');
  settings.language = 'en';
  assert.equal(words.whenText('2026-11-21T09:05:00+08:00', '2026-11-23'), 'Sat 21 Nov 09:05');
});

test('one place is not several places', () => {
  settings.language = 'en';

  assert.equal(words.counted('page.patrol.left', 1), '1 place to look at');
  assert.equal(words.counted('page.patrol.left', 3), '3 places to look at');
});

test('a floor is written as the site book has it', () => {
  settings.language = 'zh-CN';

  assert.equal(words.floorName('2'), '2 层');
  assert.equal(words.floorName('2F'), '2F');
});

test('how long is told in the two units that matter', () => {
  settings.language = 'zh-CN';

  assert.deepEqual([20, 59 * 60, 3600, 5000, 200_000].map(words.durationText), ['不到 1 分钟', '59 分钟', '1 小时', '1 小时 23 分', '2 天']);
});

test('a hole without a value stays visible', () => {
  assert.equal(words.fill('{a} and {b}', { a: 1 }), '1 and {b}');
});
