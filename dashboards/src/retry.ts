// How long to wait before the next attempt.

const FIRST_MS = 1_000;
const LAST_MS = 30_000;

/** Returns the wait before attempt `tries`, in milliseconds: doubled each time, up to a limit. */
export function retryAfter(tries: number): number {
  return Math.min(LAST_MS, FIRST_MS * 2 ** Math.max(0, tries - 1));
}
