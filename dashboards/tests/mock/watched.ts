// What watches the meters of the made-up campus, what it would have said, what was saved, and
// what the month will come to.

import type { components } from '../../src/api/schema.ts';
import { METERS, NOW, rfc, type Campus } from './campus.ts';

type Schemas = components['schemas'];
type Kind = Schemas['FindingKind'];

const DAY_MS = 86_400_000;
const rowOf = (id: string): (typeof METERS)[number]['row'] | undefined => METERS.find((one) => one.row.id === id)?.row;

export function detectors(campus: Campus, id: string): Schemas['Detectors'] | null {
  const row = rowOf(id);
  if (row === undefined) return null;
  const lights = row.load === 'lighting';
  const kinds: Kind[] =
    row.medium === 'water'
      ? ['burst', 'leak', 'running_toilet', 'silent_meter', 'stuck']
      : [...(lights ? (['lights_left_on'] as const) : (['after_hours_load', 'weekend_running'] as const)), 'high_base_load', ...(lights ? [] : (['peak_demand'] as const)), 'silent_meter', 'stuck', 'spike', 'scale_change'];
  return {
    meter: { id, name: row.name },
    detectors: kinds.map((kind) => {
      const raised = kind === 'lights_left_on' && id === 'light-2f-east' && campus.marks.get(7) === undefined;
      const learning = kind === 'high_base_load' ? 9 : null;
      return {
        kind,
        learning_until: learning === null ? null : rfc(NOW + learning * DAY_MS),
        learning_days: learning,
        raised_milli: raised ? 500 : 0,
        raised_by: raised
          ? [
              { finding: 7, opened_at: rfc(NOW - 6 * DAY_MS), by: '王师傅', at: rfc(NOW - 6 * DAY_MS), note: '夜班保洁' },
              { finding: 5, opened_at: rfc(NOW - 13 * DAY_MS), by: '李工', at: rfc(NOW - 12 * DAY_MS), note: null },
            ]
          : [],
        limit_mw: lights && kind === 'lights_left_on' ? 450_000 : null,
        quarter: kind === 'peak_demand' ? { ends_at: rfc(NOW + 6 * 60_000), forecast_mw: 131_000_000, limit_mw: 120_000_000, shed_mw: 27_000_000 } : null,
      };
    }),
  };
}

export function forecast(_: Campus, id: string): Schemas['MonthForecast'] | null {
  const row = rowOf(id);
  if (row === undefined) return null;
  const day = 96_000_000;
  return {
    meter: { id, name: row.name },
    unit: row.unit,
    month: rfc(NOW).slice(0, 7),
    so_far: 22 * day,
    hours_told: 2,
    days_left: 8,
    expected: 30 * day,
    low: 28.6 * day,
    high: 31.8 * day,
    limit: 27.5 * day,
    will_exceed: true,
  };
}

export function tried(_: Campus, query: URLSearchParams): Schemas['Preview'] | null {
  const row = rowOf(query.get('meter') ?? '');
  if (row === undefined) return null;
  return {
    detector: (query.get('detector') ?? 'leak') as Kind,
    meter: { id: row.id, name: row.name },
    unit: row.unit,
    learning_until: null,
    raised_milli: 250,
    raised_by: [7],
    rows: [6, 13].map((days) => ({
      said_at: days === 6 ? null : rfc(NOW - days * DAY_MS + 7_200_000),
      opened_at: rfc(NOW - days * DAY_MS),
      closed_at: rfc(NOW - days * DAY_MS + 3 * 3_600_000),
      waste: 8_400_000,
      cost_e4: 68_200,
      intervals: 12,
    })),
  };
}

export function saved(_: Campus, query: URLSearchParams): Schemas['Savings'] | null {
  const row = rowOf(query.get('meter') ?? '');
  if (row === undefined) return null;
  const refused = row.medium !== 'electricity';
  return {
    meter: { id: row.id, name: row.name },
    unit: row.unit,
    from: query.get('from') ?? '',
    to: '2026-11-22',
    training_from: '2025-10-24',
    training_to: '2026-10-23',
    model: refused ? null : { method: 'hourly', words: '按小时，看星期几、几点和室外温度，越近的几周越重要', steps: 8_700, parameters: 180, cv_rmse_milli: 84, bias_milli: 1, r_squared_milli: 940, autocorrelation_milli: 310 },
    figure: refused
      ? null
      : { measured: 2_400_000_000, expected: 2_812_000_000, avoided: 412_000_000, avoided_low: 301_000_000, avoided_high: 523_000_000, uncertainty: 111_000_000, steps: 700, steps_all: 720, cost_e4: 3_346_700, cost_uncertainty_e4: 901_000, co2_g: null, co2_uncertainty_g: null, co2_factor: null },
    refusal: refused ? { code: 'no_weather', message: '没有室外温度，算不出节约量。' } : null,
  };
}
