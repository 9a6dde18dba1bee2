import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addDays,
  addMinutes,
  clockOf,
  dateText,
  halfHourAfter,
  intervalStarts,
  monthsBack,
  whenText,
  written,
} from '../src/time.ts';

test('the site tells the time, not this machine', () => {
  assert.equal(clockOf('2026-11-23T19:42:05+08:00'), '19:42');
  assert.equal(clockOf('2026-11-23T19:42:05-05:00'), '19:42');
});

test('a time of another day says which day', () => {
  assert.equal(whenText('2026-11-23T19:42:00+08:00', '2026-11-23', 'zh-CN'), '19:42');
  assert.equal(whenText('2026-11-21T09:05:00+08:00', '2026-11-23', 'zh-CN'), '11月21日 周六 09:05');
  assert.equal(whenText('2026-11-21T09:05:00+08:00', '2026-11-23', 'en'), 'Sat 21 Nov 09:05');
});

test('a date carries its year when asked', () => {
  assert.equal(dateText('2026-11-23', 'zh-CN', true), '2026年11月23日 周一');
});

test('minutes are added across midnight in the same offset', () => {
  assert.equal(addMinutes('2026-11-23T23:50:00+08:00', 20), '2026-11-24T00:10:00+08:00');
  assert.equal(addMinutes('2026-11-23T23:50:00-03:30', 20), '2026-11-24T00:10:00-03:30');
  assert.equal(addMinutes('2026-11-23T23:50:00Z', 20), '2026-11-24T00:10:00Z');
});

test('overtime ends on a half hour, at least as long as asked', () => {
  assert.equal(halfHourAfter('2026-11-23T19:42:00+08:00', 120), '2026-11-23T22:00:00+08:00');
  assert.equal(halfHourAfter('2026-11-23T19:30:00+08:00', 120), '2026-11-23T21:30:00+08:00');
  assert.equal(halfHourAfter('2026-11-23T19:30:10+08:00', 60), '2026-11-23T21:00:00+08:00');
});

test('days are calendar days across the end of a year', () => {
  assert.equal(addDays('2026-12-31', 1), '2027-01-01');
  assert.equal(addDays('2028-03-01', -1), '2028-02-29');
});

test('months go back across the new year, the newest first', () => {
  assert.deepEqual(monthsBack('2027-02', 4), ['2027-02', '2027-01', '2026-12', '2026-11']);
});

test('the last sunday of march has 92 intervals and no two o’clock', () => {
  const starts = intervalStarts('2026-03-29T00:00:00+01:00', 900, 92, 'Europe/Berlin');

  assert.equal(starts[7], '01:45');
  assert.equal(starts[8], '03:00');
  assert.equal(starts[91], '23:45');
});

test('an instant is written in the offset of another', () => {
  assert.equal(written(Date.parse('2026-11-23T11:42:05Z'), '2026-11-23T08:00:00+08:00'), '2026-11-23T19:42:05+08:00');
});
