// A meter against those behind it: which shares of it are explained, and which are not.

import type { BalanceRow } from './api/client.ts';

export interface Slice {
  /** Place in `parts`; null is the rest. */
  part: number | null;
  /** Share of the meter in front, in thousandths. */
  milli: number;
}

/**
 * Returns what a stretch is made of, the largest part first and the rest last.
 *
 * Shares are of what the meter in front counted, or of what those behind it did where that
 * is more: then nothing is left, and the bar would be longer than the page.
 */
export function slicesOf(row: BalanceRow): Slice[] {
  const known = row.parts.reduce((sum, part) => sum + Math.max(0, part), 0);
  const whole = Math.max(row.main, known);
  if (row.rest === null || whole <= 0) return [];
  const slices = row.parts
    .map((amount, part): Slice => ({ part, milli: Math.round((1000 * Math.max(0, amount)) / whole) }))
    .filter((slice) => 0 < slice.milli)
    .sort((a, b) => b.milli - a.milli);
  return row.rest > 0 ? [...slices, { part: null, milli: Math.round((1000 * row.rest) / whole) }] : slices;
}

/** A tenth of what goes in is more than cables and small loads explain. */
const MUCH_MILLI = 100;

/** What a balance says. */
export type Stands = 'none' | 'negative' | 'much' | 'little';

/** Returns what a balance says. */
export function standsOf(row: BalanceRow): Stands {
  if (row.rest === null) return 'none';
  if (row.negative) return 'negative';
  return row.rest_milli !== null && MUCH_MILLI <= row.rest_milli ? 'much' : 'little';
}
