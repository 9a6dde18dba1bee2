import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byBuilding, matches } from '../src/meters.ts';
import { byFloor, errandOf, roundOf } from '../src/patrol.ts';
import { meterPath, ownPath, placeOf } from '../src/route.ts';
import { Campus } from './mock/campus.ts';

test('parts stand behind the whole that they are part of', () => {
  const [office] = byBuilding(new Campus().meters().meters);

  assert.deepEqual(office?.rows.slice(0, 2).map(({ meter, depth }) => [meter.id, depth]), [['office-main', 0], ['light-1f-hall', 1]]);
});

test('a filtered list keeps a part whose whole is not in it', () => {
  const { meters } = new Campus().meters();

  const groups = byBuilding(meters.filter((meter) => meter.load === 'lighting'));

  assert.equal(groups[0]?.rows.length, 4);
});

test('meters that are part of each other do not hang the page', () => {
  const [first, second] = new Campus().meters().meters;
  assert.ok(first !== undefined && second !== undefined);
  const loop = [{ ...first, parent: second.id }, { ...second, parent: first.id }];

  assert.equal(byBuilding(loop)[0]?.rows.length, 2);
});

test('a meter is found by words of either language', () => {
  const meter = new Campus().meters().meters[2];
  assert.ok(meter !== undefined);

  assert.ok(matches(meter, '二层'));
  assert.ok(matches(meter, 'EAST lights'));
  assert.ok(!matches(meter, 'east water'));
  assert.ok(matches(meter, ''));
});

test('the round goes in walking order whatever order the answer has', () => {
  const { areas } = new Campus().patrol();

  const floors = byFloor([...areas].reverse());

  assert.deepEqual(floors.map((floor) => [floor.floor, floor.areas.length, floor.first]), [['1', 1, true], ['2', 2, false], ['3', 1, false]]);
});

test('a marked place is nothing to do, one without readings is to be looked at', () => {
  const [area] = new Campus().patrol().areas;
  assert.ok(area !== undefined);
  const mark = { kind: 'switched_off' as const, by: '', at: '', until: null, note: null };

  assert.equal(errandOf(area), 'go');
  assert.equal(errandOf({ ...area, findings: area.findings.map((finding) => ({ ...finding, mark })) }), 'none');
  assert.equal(errandOf({ ...area, state: 'unknown', findings: [] }), 'look');
  assert.equal(errandOf({ ...area, state: 'learning', findings: [] }), 'look');
  assert.equal(errandOf({ ...area, state: 'open_hours', findings: [] }), 'wait');
  assert.equal(errandOf({ ...area, state: 'just_closed', findings: [] }), 'wait');
});

test('the round is done only when nothing is left and the gateway agrees', () => {
  const left = new Campus('left_on').patrol();
  const off = new Campus('all_off').patrol();

  const marked = (kind: 'switched_off' | 'overtime'): typeof left.areas =>
    left.areas.map((area) => ({
      ...area,
      findings: area.findings.map((finding) => ({ ...finding, mark: { kind, by: '', at: '', until: null, note: null } })),
    }));

  assert.equal(roundOf(left.areas, true).stands, 'go');
  assert.equal(roundOf(marked('switched_off'), true).stands, 'waiting');
  assert.equal(roundOf(marked('overtime'), true).stands, 'done');
  assert.equal(roundOf(off.areas, true).stands, 'done');
  assert.equal(roundOf(off.areas, false).stands, 'early');
  assert.equal(roundOf(new Campus('no_data').patrol().areas, false).stands, 'look');
  assert.equal(roundOf(new Campus('learning').patrol().areas, false).stands, 'look');
  assert.equal(roundOf(new Campus('working').patrol().areas, false).stands, 'early');
  const closed = roundOf(new Campus('just_closed').patrol().areas, false);
  assert.deepEqual([closed.stands, closed.judged_from_at], ['settling', '2026-11-23T20:15:00+08:00']);
});

test('every path is a page, and an unknown one says so', () => {
  assert.equal(placeOf('/', '').page, 'today');
  assert.equal(placeOf('/patrol', '?finding=3').query['finding'], '3');
  assert.deepEqual(placeOf('/meters/light%2F2', ''), { page: 'meter', id: 'light/2', query: {} });
  assert.equal(placeOf('/meters/a/b', '').page, 'unknown');
  assert.equal(placeOf('/patrol/x', '').page, 'unknown');
  assert.equal(placeOf('/nothing', '').page, 'unknown');
});

test('a broken escape in the address is an unknown page, not a white one', () => {
  assert.equal(placeOf('/meters/%E0%A4', '').page, 'unknown');
});

test('after the log-in nobody is led to another site', () => {
  assert.equal(ownPath('/patrol?finding=3'), '/patrol?finding=3');
  assert.equal(ownPath('//evil.example'), '/');
  assert.equal(ownPath('/\\evil.example'), '/');
  assert.equal(ownPath('https://evil.example'), '/');
  assert.equal(ownPath(undefined), '/');
});

test('a meter’s path survives any name', () => {
  assert.equal(meterPath('a b/c', '2026-11-23'), '/meters/a%20b%2Fc?date=2026-11-23');
});
