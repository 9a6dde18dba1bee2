// The day of a meter as ECharts draws it: bars of the demand per interval over the band
// of what is usual, opening hours shaded, gaps hatched.
//
// In: the API's day, colours, words. Out: an option object; no DOM, no clock.

import type { EChartsCoreOption } from 'echarts/core';
import type { MeterDay } from '../api/client.ts';
import { demand, onAxis, rateOf, unitOf } from '../quantity.ts';
import { tipAt } from './tip.ts';
import type { Paint, Pattern } from './paint.ts';
import { gapsOf, spansOf, type Span } from './spans.ts';

export interface DayWords {
  demand: string;
  typical: string;
  band: string;
  /** What the tooltip says of one interval; already escaped. */
  interval: (at: number) => string;
}

/** Returns the interval that is under way and partly known: `over`, if there is one. */
export function runningAt(day: MeterDay, over: number): number | null {
  return day.running_s !== null && (day.amount[over] ?? null) !== null ? over : null;
}

/**
 * Returns the mean rate (the API's scale) of each interval; of the one under way it is that
 * of the seconds that are known, so that it neither looks like a fall nor like an estimate.
 */
export function ratesOf(day: MeterDay, over: number): (number | null)[] {
  const running = runningAt(day, over);
  return day.amount.map((amount, at) =>
    demand(amount, at === running && day.running_s !== null ? day.running_s : day.interval_s),
  );
}

/** Returns a bar's colour: use while the area is closed stands out, an estimate is striped. */
export function colourOf(day: MeterDay, at: number, paint: Paint): Pattern {
  const quality = day.quality[at];
  const striped = quality === 'estimated' || quality === 'partly';
  if (day.open[at] === true) return striped ? paint.openStriped : paint.open;
  return striped ? paint.closedStriped : paint.closed;
}

/** Hours that get a label: every third, on a narrow chart every sixth. */
function labelled(start: string, narrow: boolean): boolean {
  return start.endsWith(':00') && Number(start.slice(0, 2)) % (narrow ? 6 : 3) === 0;
}

/** Returns what to draw. `over` is how many intervals of the day have ended. */
export function dayOption(
  day: MeterDay,
  starts: readonly string[],
  over: number,
  paint: Paint,
  words: DayWords,
  size: { narrow: boolean; still: boolean },
): EChartsCoreOption {
  const rate = rateOf(day.unit);
  const plotted = (values: readonly (number | null)[]): (number | null)[] =>
    values.map((amount) => onAxis(demand(amount, day.interval_s), rate));
  const low = plotted(day.typical_low);
  const high = plotted(day.typical_high);
  const amounts = ratesOf(day, over).map((mean) => onAxis(mean, rate));
  const running = runningAt(day, over);
  const label = { color: paint.muted, fontSize: 0.75 * paint.rem, fontFamily: paint.font };
  const shaded = (spans: Span[], color: unknown) =>
    spans.map(({ from, to }) => [{ xAxis: from - 0.5, itemStyle: { color } }, { xAxis: to - 0.5 }]);
  const bare = { type: 'line', symbol: 'none', silent: true, lineStyle: { opacity: 0 }, stack: 'band' };

  return {
    animation: !size.still,
    animationDuration: 300,
    textStyle: { fontFamily: paint.font },
    grid: { left: 4, right: 8, top: 2 * paint.rem, bottom: 4, containLabel: true },
    tooltip: {
      trigger: 'axis',
      position: tipAt,
      axisPointer: { type: 'shadow', shadowStyle: { color: paint.hours } },
      backgroundColor: paint.card,
      borderColor: paint.line,
      textStyle: { color: paint.text, fontSize: 0.8125 * paint.rem },
      formatter: (shown: unknown) => {
        const first = Array.isArray(shown) ? (shown[0] as { dataIndex?: number } | undefined) : undefined;
        return first?.dataIndex === undefined ? '' : words.interval(first.dataIndex);
      },
    },
    xAxis: [
      {
        type: 'category',
        data: [...starts],
        axisTick: { show: false },
        axisLine: { lineStyle: { color: paint.line } },
        axisLabel: {
          ...label,
          interval: (at: number) => labelled(starts[at] ?? '', size.narrow),
          formatter: (start: string) => start.slice(0, 2),
        },
      },
      // Shading lies between intervals, so it needs an axis of numbers.
      { type: 'value', min: -0.5, max: starts.length - 0.5, show: false },
    ],
    yAxis: {
      type: 'value',
      name: unitOf(rate),
      nameTextStyle: { ...label, align: 'right', padding: [0, 6, 0, 0] },
      // At the left edge, not at the zero of the hidden axis.
      axisLine: { show: false, onZero: false },
      axisTick: { show: false },
      axisLabel: label,
      splitNumber: 4,
      splitLine: { lineStyle: { color: paint.grid } },
    },
    series: [
      {
        type: 'line',
        name: 'shade',
        xAxisIndex: 1,
        data: [],
        silent: true,
        markArea: {
          silent: true,
          data: [...shaded(spansOf(day.open), paint.hours), ...shaded(gapsOf(day.amount, over), paint.gap)],
        },
      },
      { ...bare, name: 'low', data: low, step: 'middle' },
      {
        ...bare,
        name: words.band,
        data: high.map((value, at) => (value === null ? null : value - (low[at] ?? 0))),
        step: 'middle',
        areaStyle: { color: paint.band },
      },
      {
        type: 'bar',
        name: words.demand,
        barWidth: '72%',
        data: amounts.map((value, at) => ({
          value,
          itemStyle:
            at === running
              ? { color: 'transparent', borderType: 'dashed', borderWidth: 1.5, borderColor: day.open[at] === true ? paint.open : paint.closed }
              : { color: colourOf(day, at, paint) },
        })),
      },
      {
        type: 'line',
        name: words.typical,
        data: plotted(day.typical),
        step: 'middle',
        symbol: 'none',
        silent: true,
        lineStyle: { color: paint.typical, width: 1.25, type: 'dashed' },
      },
    ],
  };
}
