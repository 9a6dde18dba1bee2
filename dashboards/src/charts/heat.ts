// The year of a meter, hour by day: like the windows of a building seen from the street,
// dark where little was used and lamp-bright where much was.
//
// A cell without data is not drawn; the hatched ground shows through, so that a gap never
// looks like a quiet hour.

import type { EChartsCoreOption } from 'echarts/core';
import type { MeterYear } from '../api/client.ts';
import { onAxis, quantityOf } from '../quantity.ts';
import { tipAt } from './tip.ts';
import type { Paint } from './paint.ts';

export const HOURS = 24;

/**
 * Returns a day's values by hour of the wall clock.
 *
 * On the two days when a clock is changed there are 23 or 25 of them. Where that happens
 * it happens between one and four in the morning; the hour that is left out stays empty,
 * and the two that share a name are added.
 */
export function byWallClock(hours: readonly (number | null)[]): (number | null)[] {
  const CHANGE = 2;
  if (hours.length === HOURS - 1) return [...hours.slice(0, CHANGE), null, ...hours.slice(CHANGE)];
  if (hours.length === HOURS + 1) {
    const twice = [hours[CHANGE] ?? null, hours[CHANGE + 1] ?? null];
    const sum = twice.every((value) => value === null) ? null : (twice[0] ?? 0) + (twice[1] ?? 0);
    return [...hours.slice(0, CHANGE), sum, ...hours.slice(CHANGE + 2)];
  }
  return [...hours];
}

/** Days that the year shows at least, so that a new meter's cells are not as wide as bars. */
const DAYS_LEAST = 84;

/**
 * Returns the year from its first day with data on, at least twelve weeks.
 *
 * What was before the meter is no gap, and hatching nine months of it hides the three that
 * are there.
 */
export function sinceFirst(year: MeterYear): MeterYear {
  const first = year.days.findIndex((day) => day.total !== null);
  const from = first < 0 ? 0 : Math.max(0, Math.min(first, year.days.length - DAYS_LEAST));
  if (from === 0) return year;
  const days = year.days.slice(from);
  return { ...year, days, from: days[0]?.date ?? year.from };
}

/** Returns the cells [day, hour, value as on the axis]; gaps are left out. */
export function cellsOf(year: MeterYear): [number, number, number][] {
  const quantity = quantityOf(year.unit);
  return year.days.flatMap((day, at) =>
    byWallClock(day.hours).flatMap((value, hour): [number, number, number][] => {
      const drawn = onAxis(value, quantity);
      return drawn === null ? [] : [[at, hour, drawn]];
    }),
  );
}

/** Returns the value that 99 of 100 cells stay under: one wild hour must not darken a year. */
export function brightest(cells: readonly (readonly [number, number, number])[]): number {
  const values = cells.map((cell) => cell[2]).sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * 0.99))] ?? 0;
}

export interface HeatWords {
  /** "1月" at the first day of a month. */
  month: (date: string) => string;
  /** What the tooltip says of one hour; already escaped. */
  hour: (day: number, hour: number) => string;
}

/** The part of ECharts' drawing interface that a cell needs. */
interface Pen {
  value: (dimension: number) => number;
  coord: (at: [number, number]) => [number, number];
  size: (of: [number, number]) => [number, number];
  visual: (name: 'color') => string;
}

/**
 * Returns one cell, its edges on whole pixels.
 *
 * A year is 364 columns on some 1,000 pixels. The library's own heat map puts edges between
 * pixels, and the ground shines through every seam as a comb of fine lines.
 */
function cell(_: unknown, pen: Pen): unknown {
  const [x, y] = pen.coord([pen.value(0), pen.value(1)]);
  const [width, height] = pen.size([1, 1]);
  const left = Math.round(x - width / 2);
  const top = Math.round(y - height / 2);
  return {
    type: 'rect',
    shape: {
      x: left,
      y: top,
      width: Math.round(x + width / 2) - left,
      height: Math.round(y + height / 2) - top,
    },
    style: { fill: pen.visual('color') },
  };
}

/** Returns what to draw. */
export function heatOption(year: MeterYear, paint: Paint, words: HeatWords, still: boolean): EChartsCoreOption {
  const cells = cellsOf(year);
  const label = { color: paint.muted, fontSize: 0.75 * paint.rem, fontFamily: paint.font };
  const dates = year.days.map((day) => day.date);
  // A few days of a first month leave no room for its name.
  const firsts = new Set(dates.flatMap((date, at) => (date.endsWith('-01') && at > 0 ? [at] : [])));
  return {
    animation: !still,
    animationDuration: 200,
    textStyle: { fontFamily: paint.font },
    grid: {
      left: 2.5 * paint.rem,
      right: 8,
      top: 6,
      bottom: 1.75 * paint.rem,
      show: true,
      backgroundColor: paint.gap,
      borderColor: paint.line,
    },
    tooltip: {
      position: tipAt,
      backgroundColor: paint.card,
      borderColor: paint.line,
      textStyle: { color: paint.text, fontSize: 0.8125 * paint.rem },
      formatter: (shown: unknown) => {
        const data = (shown as { data?: readonly number[] }).data;
        return data === undefined ? '' : words.hour(data[0] ?? 0, data[1] ?? 0);
      },
    },
    xAxis: {
      type: 'category',
      data: dates,
      axisTick: { show: true, interval: (at: number) => firsts.has(at), lineStyle: { color: paint.line } },
      axisLine: { lineStyle: { color: paint.line } },
      axisLabel: {
        ...label,
        align: 'left',
        interval: (at: number) => firsts.has(at),
        formatter: (date: string) => words.month(date),
      },
    },
    yAxis: {
      type: 'category',
      data: Array.from({ length: HOURS }, (_, hour) => hour),
      inverse: true,
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: {
        ...label,
        interval: (hour: number) => hour % 6 === 0,
        formatter: (hour: string) => `${hour.padStart(2, '0')}:00`,
      },
    },
    visualMap: {
      type: 'continuous',
      min: 0,
      max: brightest(cells) || 1,
      // The page draws the scale beside its legend: a chart that scrolls would hide it.
      show: false,
      inRange: { color: paint.heat },
    },
    series: [{ type: 'custom', data: cells, progressive: 0, renderItem: cell }],
  };
}
