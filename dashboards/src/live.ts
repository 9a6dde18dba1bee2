// The one live connection: it reconnects, and says when it is stale.
//
// In: the gateway's events. Out: the newest reading of each meter, and a number that
// counts up whenever a page should fetch anew.
//
// A hidden tab holds no connection: browsers allow about six to one host, and a seventh
// tab would wait for ever. Where events never come (a proxy that buffers them, or all places
// taken), the pages fetch instead, and are no worse than half a minute behind.

import { reactive, ref, watch } from 'vue';
import { livePath, type LiveReading, type LiveSnapshot, type Notice } from './api/client.ts';
import { retryAfter } from './retry.ts';
import { mayRead, readStatus, session, takeNotices } from './session.ts';
import { clockOf } from './time.ts';

/** So long without a connection before the numbers are called stale: a short blip on
 *  Wi-Fi should not make the page flicker. */
const STALE_AFTER_MS = 8_000;
const POLL_MS = 30_000;
/** A demo's hour is a minute; half a minute would be an evening missed. */
const POLL_FAST_MS = 5_000;
/** Findings come in bunches at the close of an interval; one fetch serves them all. */
const BUNCH_MS = 400;

export const live = reactive<{
  state: 'connecting' | 'connected' | 'polling' | 'lost';
  stale: boolean;
  latest: Record<string, LiveReading>;
  /** Wall clock "19:28" of the newest thing heard. */
  heard: string;
  heard_at: string | null;
  newVersion: boolean;
}>({ state: 'connecting', stale: false, latest: {}, heard: '', heard_at: null, newVersion: false });

/** Returns the newest reading heard of a meter; without a stream what was fetched is newer. */
export function heardOf(meter: string): LiveReading | null {
  return live.state === 'connected' ? (live.latest[meter] ?? null) : null;
}

/** Counts up when everything on the page should be fetched anew. */
export const stirred = ref(0);

let source: EventSource | null = null;
let tries = 0;
let retryTimer = 0;
let staleTimer = 0;
let bunchTimer = 0;

function stir(): void {
  clearTimeout(bunchTimer);
  bunchTimer = window.setTimeout(() => {
    stirred.value += 1;
  }, BUNCH_MS);
}

function hear(reading: LiveReading): void {
  const before = live.latest[reading.meter];
  if (before !== undefined && reading.at < before.at) return;
  live.latest[reading.meter] = reading;
  if (live.heard_at === null || Date.parse(live.heard_at) < Date.parse(reading.at)) {
    live.heard_at = reading.at;
    live.heard = clockOf(reading.at);
  }
}

function lost(): void {
  source?.close();
  source = null;
  if (document.hidden) return;
  if (live.state !== 'polling') live.state = 'lost';
  tries += 1;
  clearTimeout(retryTimer);
  retryTimer = window.setTimeout(connect, retryAfter(tries));
  if (staleTimer === 0) staleTimer = window.setTimeout(() => void poll(), STALE_AFTER_MS);
}

/** Fetches without being told to; without a stream this is what says whether numbers are stale. */
async function poll(): Promise<void> {
  await readStatus();
  if (session.problem !== null) {
    // A stream may look alive long after its other end is gone.
    if (source !== null) lost();
    live.state = 'lost';
    live.stale = true;
    return;
  }
  stir();
  live.stale = false;
  if (live.state !== 'connected') live.state = 'polling';
}

function hangUp(): void {
  source?.close();
  source = null;
  clearTimeout(retryTimer);
  clearTimeout(staleTimer);
  staleTimer = 0;
  live.state = 'connecting';
  live.stale = false;
}

function found(): void {
  const again = tries > 0 || live.stale;
  tries = 0;
  live.state = 'connected';
  live.stale = false;
  clearTimeout(staleTimer);
  staleTimer = 0;
  // What happened meanwhile was not heard.
  if (again) {
    void readStatus();
    stir();
  }
}

function on<T>(stream: EventSource, name: string, take: (data: T) => void): void {
  stream.addEventListener(name, (event) => {
    take(JSON.parse((event as MessageEvent<string>).data) as T);
  });
}

function connect(): void {
  clearTimeout(retryTimer);
  if (source !== null || document.hidden || !mayRead.value) return;
  const stream = new EventSource(livePath);
  source = stream;
  on<LiveSnapshot>(stream, 'snapshot', (snapshot) => {
    found();
    snapshot.latest.forEach(hear);
    live.newVersion = session.status !== null && session.status.version !== snapshot.version;
  });
  on<LiveReading>(stream, 'reading', hear);
  on<unknown>(stream, 'finding', stir);
  on<unknown>(stream, 'command', stir);
  on<{ notices?: Notice[] }>(stream, 'notice', (told) => {
    if (told.notices !== undefined) takeNotices(told.notices);
    else void readStatus();
  });
  on<unknown>(stream, 'resync', () => {
    void readStatus();
    stir();
  });
  stream.onerror = lost;
}

function turn(): void {
  if (document.hidden) {
    hangUp();
    return;
  }
  void readStatus();
  stir();
  connect();
}

/** Also while connected: totals grow without any event, and the site's clock drifts. */
async function pollForEver(): Promise<void> {
  for (;;) {
    const fast = session.status === null || session.status.speed > 1;
    await new Promise((wake) => setTimeout(wake, fast ? POLL_FAST_MS : POLL_MS));
    if (!document.hidden) await poll();
  }
}

/** Starts to listen, for as long as the page is open. */
export function startLive(): void {
  document.addEventListener('visibilitychange', turn);
  addEventListener('online', () => {
    tries = 0;
    connect();
  });
  setInterval(() => {
    session.tick += 1;
  }, 1_000);
  watch(mayRead, (may) => (may ? connect() : hangUp()), { immediate: true });
  void pollForEver();
}
