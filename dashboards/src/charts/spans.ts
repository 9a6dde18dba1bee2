// Stretches of consecutive intervals: gaps, opening hours, the part of a day still to come.

export interface Span {
  /** First interval in the span. */
  from: number;
  /** First interval after it. */
  to: number;
}

/** Returns the longest stretches of `true`, in order. */
export function spansOf(flags: readonly boolean[]): Span[] {
  const spans: Span[] = [];
  flags.forEach((set, at) => {
    const last = spans[spans.length - 1];
    if (!set) return;
    if (last !== undefined && last.to === at) last.to = at + 1;
    else spans.push({ from: at, to: at + 1 });
  });
  return spans;
}

/** Returns how many intervals of a day that began at `start_s` are over at `now_s`. */
export function intervalsOver(start_s: number, interval_s: number, count: number, now_s: number): number {
  return Math.min(count, Math.max(0, Math.floor((now_s - start_s) / interval_s)));
}

/** Returns the gaps: intervals that are over and have no amount. What is to come is none. */
export function gapsOf(amounts: readonly (number | null)[], over: number): Span[] {
  return spansOf(amounts.map((amount, at) => at < over && amount === null));
}
