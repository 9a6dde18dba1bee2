import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withMark, withTap, type Tap } from '../src/marks.ts';
import { retryAfter } from '../src/retry.ts';
import { Campus } from './mock/campus.ts';

const tap = (finding: number, kind: 'switched_off' | 'false_alarm' | null): Tap => ({
  finding,
  mark: kind === null ? null : { kind },
  at: '2026-11-23T19:44:00+08:00',
  by: '王师傅',
});

test('only the last tap on a place matters', () => {
  const queue = withTap([tap(1, 'switched_off'), tap(2, 'switched_off')], tap(1, 'false_alarm'), false);

  assert.deepEqual(queue, [tap(2, 'switched_off'), tap(1, 'false_alarm')]);
});

test('a tap that is on its way is followed, not replaced', () => {
  const queue = withTap([tap(1, 'switched_off')], tap(1, null), true);

  assert.deepEqual(queue, [tap(1, 'switched_off'), tap(1, null)]);
});

test('a tap counts on the page before it has arrived', () => {
  const [finding] = new Campus().findings();
  assert.ok(finding !== undefined);

  const marked = withMark(finding, [tap(finding.id, 'switched_off')]);

  assert.equal(marked.mark?.kind, 'switched_off');
  assert.equal(marked.mark?.by, '王师傅');
  assert.equal(withMark(marked, [tap(finding.id, null)]).mark, null);
  assert.equal(withMark(finding, [tap(finding.id + 1, 'switched_off')]), finding);
});

test('a lost connection is tried again ever more slowly, up to half a minute', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 20].map(retryAfter), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});
