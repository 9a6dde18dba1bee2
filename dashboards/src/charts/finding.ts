// The days that prove a finding, as ECharts draws them: what was used over the band of what
// was usual before, the finding's time shaded, gaps hatched.
//
// In: the API's days, colours, words. Out: an option object; no DOM, no clock.

import type { EChartsCoreOption } from 'echarts/core';
import type { FindingDays } from '../api/client.ts';
import { demand, onAxis, rateOf, unitOf } from '../quantity.ts';
import { dateOf } from '../time.ts';
import type { Paint } from './paint.ts';
import { gapsOf } from './spans.ts';
import { tipAt } from './tip.ts';

export interface FindingWords {
  /** What a day is called under the axis. */
  day: (date: string) => string;
  /** What the tooltip says of one step; already escaped. */
  step: (at: number) => string;
}

/** Returns the steps at which a day begins. */
export function dayStarts(days: FindingDays): number[] {
  return days.start_at.flatMap((start, at) => (at === 0 || dateOf(start) !== dateOf(days.start_at[at - 1] ?? '') ? [at] : []));
}

export function findingOption(
  days: FindingDays,
  paint: Paint,
  words: FindingWords,
  size: { narrow: boolean; still: boolean },
): EChartsCoreOption {
  const rate = rateOf(days.unit);
  const plotted = (values: readonly (number | null)[]): (number | null)[] =>
    values.map((amount) => onAxis(demand(amount, days.step_s), rate));
  const low = plotted(days.typical_low);
  const high = plotted(days.typical_high);
  const label = { color: paint.muted, fontSize: 0.75 * paint.rem, fontFamily: paint.font };
  const starts = dayStarts(days);
  const each = Math.max(1, Math.ceil(starts.length / (size.narrow ? 4 : 9)));
  const labelled = new Set(starts.filter((_, at) => at % each === 0));
  const areas = [
    { from: days.flagged_from, to: Math.max(days.flagged_to, days.flagged_from + 1), color: paint.flagged },
    ...gapsOf(days.amount, days.over).map((span) => ({ ...span, color: paint.gap })),
  ];
  const bare = { type: 'line', symbol: 'none', silent: true, lineStyle: { opacity: 0 }, stack: 'band', step: 'middle' };
  return {
    animation: !size.still,
    animationDuration: 300,
    textStyle: { fontFamily: paint.font },
    grid: { left: 4, right: 8, top: 2 * paint.rem, bottom: 4, containLabel: true },
    tooltip: {
      trigger: 'axis',
      position: tipAt,
      axisPointer: { type: 'line', lineStyle: { color: paint.line } },
      backgroundColor: paint.card,
      borderColor: paint.line,
      textStyle: { color: paint.text, fontSize: 0.8125 * paint.rem },
      formatter: (shown: unknown) => {
        const first = Array.isArray(shown) ? (shown[0] as { dataIndex?: number } | undefined) : undefined;
        return first?.dataIndex === undefined ? '' : words.step(first.dataIndex);
      },
    },
    xAxis: [
      {
        type: 'category',
        data: [...days.start_at],
        axisTick: { show: false },
        axisLine: { lineStyle: { color: paint.line } },
        axisLabel: {
          ...label,
          interval: (at: number) => labelled.has(at),
          formatter: (start: string) => words.day(dateOf(start)),
          align: 'left',
        },
      },
      // Shading lies between steps, so it needs an axis of numbers.
      { type: 'value', min: -0.5, max: days.amount.length - 0.5, show: false },
    ],
    yAxis: {
      type: 'value',
      name: unitOf(rate),
      // To the right of the axis: m³/h is wider than its numbers and would be cut off.
      nameTextStyle: { ...label, align: 'left' },
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
          data: areas.map(({ from, to, color }) => [{ xAxis: from - 0.5, itemStyle: { color } }, { xAxis: to - 0.5 }]),
        },
      },
      { ...bare, name: 'low', data: low },
      {
        ...bare,
        name: 'high',
        data: high.map((value, at) => (value === null ? null : value - (low[at] ?? 0))),
        areaStyle: { color: paint.band },
      },
      {
        type: 'line',
        name: 'typical',
        data: plotted(days.typical),
        step: 'middle',
        symbol: 'none',
        silent: true,
        lineStyle: { color: paint.typical, width: 1.25, type: 'dashed' },
      },
      {
        type: 'line',
        name: 'measured',
        data: plotted(days.amount),
        step: 'middle',
        symbol: 'none',
        silent: true,
        lineStyle: { color: paint.closed, width: 1.75 },
      },
    ],
  };
}
