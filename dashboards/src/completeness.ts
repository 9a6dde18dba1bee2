// How many readings came: the days of a meter as a calendar, and which meters want a look.

import type { DayCounts, ReadingCounts } from './api/client.ts';
import { weekdayOf } from './time.ts';

/** How a day did. Below 95 % its figures are estimates more than measurements. */
export type Verdict = 'good' | 'attention' | 'bad' | 'none';

const GOOD_MILLI = 990;
const THIN_MILLI = 950;

export function verdictOf(counts: Pick<ReadingCounts, 'received_milli'>): Verdict {
  const share = counts.received_milli;
  if (share === null) return 'none';
  if (GOOD_MILLI <= share) return 'good';
  return THIN_MILLI <= share ? 'attention' : 'bad';
}

/** Returns the days as weeks from Monday on; null where the first or last week has no day. */
export function weeksOf(days: readonly DayCounts[]): (DayCounts | null)[][] {
  const first = days[0];
  if (first === undefined) return [];
  const cells: (DayCounts | null)[] = [...Array.from({ length: weekdayOf(first.date) }, () => null), ...days];
  while (cells.length % 7 !== 0) cells.push(null);
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}
