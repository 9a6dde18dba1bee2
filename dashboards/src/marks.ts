// A tap on 已关, 加班, 误报 or 撤销, and what it makes of a finding.
//
// Pure: what waits and how it is sent is `outbox.ts`.

import type { FindingRow, MarkRequest } from './api/client.ts';

export interface Tap {
  finding: number;
  /** null takes the mark back. */
  mark: MarkRequest | null;
  /** When it was tapped, RFC 3339 on the site's clock. */
  at: string;
  by: string;
}

/**
 * Returns the queue with one more tap. Only the last tap on a finding matters.
 *
 * `first` may be on its way already, so it is never replaced, only followed.
 */
export function withTap(queue: readonly Tap[], tap: Tap, sending: boolean): Tap[] {
  const kept = queue.filter((other, at) => other.finding !== tap.finding || (sending && at === 0));
  return [...kept, tap];
}

/** Returns a finding as it will be once its taps are sent. */
export function withMark(finding: FindingRow, queue: readonly Tap[]): FindingRow {
  const mine = queue.filter((tap) => tap.finding === finding.id);
  const last = mine[mine.length - 1];
  if (last === undefined) return finding;
  const { mark, at, by } = last;
  return {
    ...finding,
    mark: mark === null ? null : { kind: mark.kind, by, at, until: mark.until ?? null, note: mark.note ?? null },
  };
}
