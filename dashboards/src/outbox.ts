// Taps that a thumb made, until the gateway has them.
//
// The basement has no Wi-Fi: a tap counts at once, lies in the phone's storage, and is
// sent when it can be. A tap that the gateway refuses for good is dropped and told.

import { computed, reactive } from 'vue';
import { api, Problem, type MarkRequest } from './api/client.ts';
import { stirred } from './live.ts';
import { withTap, type Tap } from './marks.ts';
import { session, siteNow } from './session.ts';

const STORED = 'gengfu.taps';
const RETRY_MS = 5_000;

function load(): Tap[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORED) ?? '[]');
    return Array.isArray(stored) ? (stored as Tap[]) : [];
  } catch {
    return [];
  }
}

function save(queue: readonly Tap[]): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(queue));
  } catch {
    // Full or forbidden: the taps still live as long as the page.
  }
}

const state = reactive<{
  queue: Tap[];
  /** Sent, but the findings on screen are older than that. */
  settling: Tap[];
  refused: Problem | null;
}>({ queue: load(), settling: [], refused: null });
let sending = false;
let timer = 0;

export const taps = reactive({
  /** What lies over the findings that were fetched. */
  all: computed(() => [...state.settling, ...state.queue]),
  /** How many are not sent yet. */
  waiting: computed(() => state.queue.length),
  /** Why the gateway would not take the last one. */
  refused: computed(() => state.refused),
});

/** To be called when findings were fetched: they hold by now what was sent before. */
export function settle(): void {
  state.settling = [];
}

async function flush(): Promise<void> {
  clearTimeout(timer);
  if (sending) return;
  sending = true;
  try {
    for (let tap = state.queue[0]; tap !== undefined; tap = state.queue[0]) {
      try {
        if (tap.mark === null) await api.unmark(tap.finding);
        else await api.mark(tap.finding, tap.mark);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        // Logged out meanwhile is no refusal: the tap waits for the log-in.
        if (error.passes || error.status === 401) {
          timer = window.setTimeout(() => void flush(), RETRY_MS);
          return;
        }
        // A mark that is not there needs no taking back.
        const gone = tap.mark === null && (error.status === 404 || error.status === 409);
        if (!gone) state.refused = error;
        state.queue = state.queue.slice(1);
        save(state.queue);
        continue;
      }
      state.settling = [...state.settling, tap];
      state.queue = state.queue.slice(1);
      save(state.queue);
      stirred.value += 1;
    }
  } finally {
    sending = false;
  }
}

/** Marks a finding, or with null takes the mark back. */
export function tap(finding: number, mark: MarkRequest | null): void {
  state.refused = null;
  state.queue = withTap(
    state.queue,
    { finding, mark, at: siteNow.value ?? new Date().toISOString(), by: session.status?.user?.name ?? '' },
    sending,
  );
  save(state.queue);
  void flush();
}

/** Sends what an earlier visit left behind, and again when the network is back. */
export function startOutbox(): void {
  addEventListener('online', () => void flush());
  void flush();
}
