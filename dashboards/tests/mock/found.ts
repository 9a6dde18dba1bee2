// What the made-up campus found beside lights, and the days that prove each.

import type { components } from '../../src/api/schema.ts';
import { METERS, NOW, rfc, wordsOf, type Campus } from './campus.ts';

type Schemas = components['schemas'];
type Row = Schemas['FindingRow'];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Made {
  id: number;
  kind: Row['kind'];
  meter: string;
  opened: string;
  closed?: string;
  waste?: number;
  /** 1/10000 yuan for one unit of what people read. */
  rate_e4?: number;
}
const MADE: Made[] = [
  { id: 21, kind: 'leak', meter: 'canteen-water', opened: '2026-11-19T02:00:00+08:00', waste: 46_200_000, rate_e4: 41_000 },
  { id: 22, kind: 'after_hours_load', meter: 'office-cooling', opened: '2026-11-20T21:00:00+08:00', waste: 212_000_000, rate_e4: 8_123 },
  { id: 23, kind: 'high_base_load', meter: 'office-plug', opened: '2026-10-28T00:00:00+08:00', waste: 388_000_000, rate_e4: 8_123 },
  { id: 24, kind: 'silent_meter', meter: 'teaching-gas', opened: '2026-11-23T14:42:00+08:00' },
  { id: 27, kind: 'clock_wrong', meter: 'teaching-gas', opened: '2026-11-23T15:02:00+08:00' },
  { id: 25, kind: 'scale_change', meter: 'library-power', opened: '2026-11-21T10:15:00+08:00' },
  { id: 26, kind: 'weekend_running', meter: 'teaching-power', opened: '2026-11-14T08:00:00+08:00', closed: '2026-11-14T19:00:00+08:00', waste: 96_000_000, rate_e4: 8_123 },
];

/** Returns all that was found, what costs most a day first. */
export function found(campus: Campus): Row[] {
  if (campus.scenario !== 'left_on') return campus.findings();
  const made = MADE.flatMap(({ id, kind, meter, opened, closed, waste = 0, rate_e4 = 0 }): Row[] => {
    const row = METERS.find((one) => one.row.id === meter)?.row;
    if (row === undefined) return [];
    const cost_e4 = Math.round((waste / 1e6) * rate_e4);
    const days = Math.max(1, ((closed === undefined ? NOW : Date.parse(closed)) - Date.parse(opened)) / DAY_MS);
    return [
      {
        id,
        kind,
        state: closed === undefined ? 'open' : 'closed',
        meter: { id: meter, name: row.name },
        area: row.area,
        building: row.building,
        floor: '1',
        opened_at: opened,
        closed_at: closed ?? null,
        power_mw: null,
        above_mw: null,
        waste,
        unit: row.unit,
        cost_e4,
        cost_e4_per_day: cost_e4 === 0 ? null : Math.round(cost_e4 / days),
        limit_mw: null,
        late_s: kind === 'clock_wrong' ? -28_800 : null,
        mark: campus.marks.get(id) ?? null,
        ...wordsOf(kind === 'silent_meter' ? 'silent' : kind),
      },
    ];
  });
  const order = (row: Row): number => (row.state === 'open' ? 1e12 : 0) + (row.cost_e4_per_day ?? 0);
  return [...campus.findings(), ...made].sort((a, b) => order(b) - order(a));
}

export function listed(campus: Campus, query: URLSearchParams): Schemas['Findings'] {
  const asked = (name: string, value: string): boolean => [null, value].includes(query.get(name));
  const findings = found(campus).filter((row) => asked('state', row.state) && asked('meter', row.meter.id));
  const open = findings.filter((row) => row.state === 'open' && row.mark?.kind !== 'false_alarm');
  return { findings, cost_e4_per_day: open.reduce((sum, row) => sum + (row.cost_e4_per_day ?? 0), 0) };
}

/** By the hour, two days before it and it; the silent meter's end is a gap. */
export function daysOf(campus: Campus, id: number): Schemas['FindingDays'] | null {
  const row = found(campus).find((one) => one.id === id);
  const meter = METERS.find((one) => one.row.id === row?.meter.id);
  if (row === undefined || meter === undefined) return null;
  const opened = Date.parse(row.opened_at);
  const from = Date.parse(`${rfc(opened - 2 * DAY_MS).slice(0, 10)}T00:00:00+08:00`);
  const end = Date.parse(`${rfc(row.closed_at === null ? NOW : Date.parse(row.closed_at)).slice(0, 10)}T00:00:00+08:00`) + DAY_MS;
  const shown = Math.min(end, from + 28 * DAY_MS);
  const steps = Array.from({ length: Math.round((shown - from) / HOUR_MS) }, (_, at) => from + at * HOUR_MS);
  const usual = (ms: number): number => Math.round(meter.peak * meter.shape((((ms / HOUR_MS + 8) % 24) + 24) % 24, new Date(ms + 8 * HOUR_MS).getUTCDay() % 6 !== 0));
  const extra = row.kind === 'scale_change' ? 1.5 : 1;
  const amount = steps.map((ms, at) => {
    if (NOW < ms + HOUR_MS || (row.kind === 'silent_meter' && opened <= ms)) return null;
    const flagged = opened <= ms && (row.closed_at === null || ms < Date.parse(row.closed_at));
    return Math.round(usual(ms) * (1 + 0.05 * Math.sin(at * 7)) * (flagged ? extra : 1) + (flagged && row.waste > 0 ? meter.peak * 0.13 : 0));
  });
  const typical = steps.map(usual);
  return {
    unit: row.unit,
    step_s: 3_600,
    start_at: steps.map(rfc),
    over: steps.filter((ms) => ms + HOUR_MS <= NOW).length,
    amount,
    typical,
    typical_low: typical.map((value) => Math.round(value * 0.85)),
    typical_high: typical.map((value) => Math.round(value * 1.12)),
    flagged_from: Math.floor((opened - from) / HOUR_MS),
    flagged_to: steps.filter((ms) => ms + HOUR_MS <= NOW).length,
    amount_mean: row.kind === 'silent_meter' ? null : Math.round(meter.peak * 0.41),
    typical_mean: Math.round(meter.peak * 0.27),
    days_left_out: Math.round((end - shown) / DAY_MS),
  };
}
