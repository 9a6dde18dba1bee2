import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colourOf, dayOption, ratesOf, runningAt } from '../src/charts/day.ts';
import { escaped } from '../src/charts/escape.ts';
import { brightest, byWallClock, cellsOf, heatOption, sinceFirst } from '../src/charts/heat.ts';
import { axisMarks, bandPath, linePath } from '../src/charts/line.ts';
import type { Paint } from '../src/charts/paint.ts';
import { tipAt } from '../src/charts/tip.ts';
import { gapsOf, intervalsOver, spansOf } from '../src/charts/spans.ts';
import { Campus } from './mock/campus.ts';

const PAINT: Paint = {
  text: 'text', muted: 'muted', card: 'card', line: 'line', open: 'open', closed: 'closed', typical: 'typical',
  flagged: '#fed',
  band: 'band', hours: 'hours', grid: 'grid', heat: ['dark', 'bright'], gap: 'gap', openStriped: 'open-striped',
  closedStriped: 'closed-striped', font: 'font', rem: 16,
};
const campus = new Campus();

test('what is still to come is no gap', () => {
  assert.deepEqual(gapsOf([1, null, null, 4, null, null], 4), [{ from: 1, to: 3 }]);
});

test('a zero is no gap', () => {
  assert.deepEqual(gapsOf([0, 0], 2), []);
});

test('spans are the longest stretches', () => {
  assert.deepEqual(spansOf([true, true, false, true]), [{ from: 0, to: 2 }, { from: 3, to: 4 }]);
  assert.deepEqual(spansOf([]), []);
});

test('an interval is over when it has ended, not when it has begun', () => {
  assert.equal(intervalsOver(0, 900, 96, 899), 0);
  assert.equal(intervalsOver(0, 900, 96, 900), 1);
  assert.equal(intervalsOver(0, 900, 96, 10_000_000), 96);
  assert.equal(intervalsOver(900, 900, 96, 0), 0);
});

test('a line breaks at a gap', () => {
  const scale = { x: (at: number) => at * 10, y: (value: number) => value };

  assert.equal(linePath([1, 2, null, 4], scale), 'M5 1L15 2M35 4');
});

test('a band is left out where either edge is unknown', () => {
  const scale = { x: (at: number) => at, y: (value: number) => value };

  assert.equal(bandPath([1, 1, null, 1], [2, 2, 2, 2], scale), 'M0.5 2L1.5 2L1.5 1L0.5 1Z');
});

test('axis marks are round and reach the highest value', () => {
  assert.deepEqual(axisMarks(249, 3), [0, 100, 200, 300]);
  assert.deepEqual(axisMarks(0.7, 3), [0, 0.25, 0.5, 0.75]);
  assert.deepEqual(axisMarks(0, 3), [0, 1]);
});

test('use while the area is closed has its own colour, an estimate its own pattern', () => {
  const day = campus.day('light-2f-east', '2026-11-23');
  assert.ok(day !== null);

  assert.equal(colourOf(day, 48, PAINT), 'open');
  assert.equal(colourOf(day, 76, PAINT), 'closed');
  assert.equal(colourOf(day, 39, PAINT), 'open-striped');
});

test('the day is drawn with its gap hatched and its opening hours shaded', () => {
  const day = campus.day('light-2f-east', '2026-11-23');
  assert.ok(day !== null);
  const words = { demand: 'd', typical: 't', band: 'b', interval: () => '' };

  const option = dayOption(day, day.amount.map(String), 78, PAINT, words, { narrow: false, still: true });

  const shade = (option['series'] as { name: string; markArea?: { data: unknown } }[])[0];
  assert.deepEqual(shade?.markArea?.data, [
    [{ xAxis: 31.5, itemStyle: { color: 'hours' } }, { xAxis: 73.5 }],
    [{ xAxis: 52.5, itemStyle: { color: 'gap' } }, { xAxis: 57.5 }],
  ]);
  const bars = (option['series'] as { type: string; data: { value: number | null }[] }[]).find((series) => series.type === 'bar');
  assert.equal(bars?.data[54]?.value, null);
});

test('the quarter hour under way is drawn by what is known of it and as nothing else', () => {
  const day = campus.day('light-2f-east', '2026-11-23');
  assert.ok(day !== null && day.running_s !== null);
  const words = { demand: 'd', typical: 't', band: 'b', interval: () => '' };

  const rates = ratesOf(day, 78);
  const option = dayOption(day, day.amount.map(String), 78, PAINT, words, { narrow: false, still: true });

  // It began at 19:30; 700 seconds of it are known, and the lights draw as before.
  assert.equal(day.running_s, 700);
  assert.equal(runningAt(day, 78), 78);
  assert.ok(Math.abs((rates[78] ?? 0) / (rates[77] ?? 1) - 1) < 0.1, `${rates[77]} then ${rates[78]}`);
  const bars = (option['series'] as { type: string; data: { itemStyle: { color: unknown; borderType?: string } }[] }[]).find((series) => series.type === 'bar');
  assert.equal(bars?.data[78]?.itemStyle.borderType, 'dashed');
  assert.equal(bars?.data[77]?.itemStyle.borderType, undefined);
  assert.equal(bars?.data[77]?.itemStyle.color, 'closed');
});

test('a day that is over has no quarter hour under way', () => {
  const day = campus.day('light-2f-east', '2026-11-20');
  assert.ok(day !== null);

  assert.equal(runningAt(day, 96), null);
});

test('a year begins with its first day with data, and shows twelve weeks at least', () => {
  const year = campus.year('light-2f-east');
  assert.ok(year !== null);
  const empty = (days: number): typeof year => ({ ...year, days: year.days.map((day, at) => (at < days ? { ...day, total: null } : day)) });

  assert.equal(sinceFirst(year), year);
  assert.equal(sinceFirst(empty(100)).days.length, 264);
  assert.equal(sinceFirst(empty(360)).days.length, 84);
  assert.equal(sinceFirst(empty(364)).days.length, 364);
});

test('a gap in the year has no cell', () => {
  const year = campus.year('light-2f-east');
  assert.ok(year !== null);
  const at = year.days.findIndex((day) => day.date === '2026-06-19');

  const cells = cellsOf(year);

  assert.equal(cells.filter(([day]) => day === at).length, 0);
  assert.equal(cells.filter(([day]) => day === at - 2).length, 24);
});

test('one wild hour does not darken the year', () => {
  const cells = Array.from({ length: 1000 }, (_, at): [number, number, number] => [at, 0, at === 7 ? 1e6 : 5]);

  assert.equal(brightest(cells), 5);
});

test('a day of 23 hours leaves one out and a day of 25 adds two', () => {
  const hours = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

  assert.deepEqual(byWallClock(hours(23)).slice(0, 5), [0, 1, null, 2, 3]);
  assert.deepEqual(byWallClock(hours(25)).slice(0, 5), [0, 1, 5, 4, 5]);
  assert.equal(byWallClock(hours(25)).length, 24);
});

test('the heat map has a hatched ground and a column for each day', () => {
  const year = campus.year('light-2f-east');
  assert.ok(year !== null);

  const option = heatOption(year, PAINT, { month: String, hour: () => '' }, true);

  assert.equal((option['grid'] as { backgroundColor: string }).backgroundColor, 'gap');
  assert.equal((option['xAxis'] as { data: string[] }).data.length, 364);
});

test('a tip stands above the finger and inside the chart', () => {
  const size = { contentSize: [100, 50] as [number, number], viewSize: [300, 200] as [number, number] };
  const at = (x: number, y: number): [number, number] => tipAt([x, y], null, null, null, size);

  assert.deepEqual(at(150, 150), [100, 86]);
  assert.deepEqual(at(5, 150), [0, 86]);
  assert.deepEqual(at(295, 20), [200, 34]);
});

test('a name with an angle bracket stays text', () => {
  assert.equal(escaped('<b>"&\''), '&lt;b&gt;&quot;&amp;&#39;');
});
