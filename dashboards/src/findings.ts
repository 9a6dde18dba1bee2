// Findings as the pages list them: in what order of heaps, with which icon, at which address.

import type { FindingRow } from './api/client.ts';
import { floorName, isKey, placeName, t, type Key } from './language.ts';
import type { IconName } from './parts/icons.ts';

/** What a reader may look for alone. */
export const HEAPS = ['all', 'power', 'water', 'meters'] as const;
export type Heap = (typeof HEAPS)[number];

interface Look {
  icon: IconName;
  heap: Exclude<Heap, 'all'>;
}

const LOOKS: Record<FindingRow['kind'], Look> = {
  after_hours_load: { icon: 'clock', heap: 'power' },
  burst: { icon: 'drop', heap: 'water' },
  clock_wrong: { icon: 'clock', heap: 'meters' },
  dropout_with_catch_up: { icon: 'silent', heap: 'meters' },
  gas_when_closed: { icon: 'flame', heap: 'power' },
  high_base_load: { icon: 'lantern', heap: 'power' },
  leak: { icon: 'drop', heap: 'water' },
  lights_left_on: { icon: 'bulb', heap: 'power' },
  peak_demand: { icon: 'chart', heap: 'power' },
  phase_imbalance: { icon: 'bolt', heap: 'power' },
  power_factor_low: { icon: 'bolt', heap: 'power' },
  running_toilet: { icon: 'drop', heap: 'water' },
  scale_change: { icon: 'refresh', heap: 'meters' },
  silent_meter: { icon: 'silent', heap: 'meters' },
  spike: { icon: 'chart', heap: 'meters' },
  stuck: { icon: 'meters', heap: 'meters' },
  sum_mismatch: { icon: 'meters', heap: 'meters' },
  weekend_running: { icon: 'clock', heap: 'power' },
};

/** Returns a finding's icon; that of a kind that only a newer gateway knows is plain. */
export const iconOf = (kind: FindingRow['kind']): IconName => (LOOKS[kind] as Look | undefined)?.icon ?? 'alert';

/** Whether a finding says that a meter is wrong: nothing is wasted then. */
export const isOfMeter = (kind: FindingRow['kind']): boolean => (LOOKS[kind] as Look | undefined)?.heap === 'meters';

/** Returns the findings of a heap. */
export function inHeap(findings: readonly FindingRow[], heap: Heap): FindingRow[] {
  return findings.filter((one) => heap === 'all' || (LOOKS[one.kind] as Look | undefined)?.heap === heap);
}

/** Returns where a finding is, in words: a building whose whole is one area is named once. */
export function whereOf({ building, area, floor }: FindingRow): string {
  const names = placeName(area) === placeName(building) ? [placeName(area)] : [placeName(building), placeName(area)];
  return (floor === '' ? names : [...names, floorName(floor)]).join(' · ');
}

/** Returns where a finding stands alone. */
export const findingPath = (id: number): string => `/findings/${id}`;

/** What the steps of a kind name: the answers of the evening round. */
const answers = (): Record<string, string> => ({
  switched_off: t('word.switched_off'),
  overtime: t('word.overtime'),
  false_alarm: t('word.false_alarm'),
});

/** Returns what a code of the API says; nothing where only a newer gateway knows it. */
export const said = (code: string): string => (isKey(code) ? t(code as Key, answers()) : '');
