// The one live connection: it reconnects, and says when it is stale.
//
// In: the gateway's events. Out: the newest reading of each meter, and a number that
// counts up whenever a page should fetch anew.
//
// A hidden tab holds no connection: browsers allow about six to one host, and a seventh
// tab would wait for ever. Where events never come (a proxy that buffers them), the pages
// are fetched every half minute instead.

import { reactive, ref } from 'vue';
import { livePath, type LiveReading, type LiveSnapshot, type Notice } from './api/client.ts';
import { retryAfter } from './retry.ts';
import { readStatus, session, takeNotices } from './session.ts';
import { clockOf } from './time.ts';

/** So long without a connection before the numbers are called stale: a short blip on
 *  Wi-Fi should not make the page flicker. */
const STALE_AFTER_MS = 8_000;
const POLL_MS = 30_000;
/** Findings come in bunches at the close of an interval; one fetch serves them all. */
const BUNCH_MS = 400;

export const live = reactive<{
  state: 'connecting' | 'connected' | 'lost';
  stale: boolean;
  latest: Record<string, LiveReading>;
  /** Wall clock "19:28" of the newest thing heard. */
  heard: string;
  heard_at: string | null;
  newVersion: boolean;
}>({ state: 'connecting', stale: false, latest: {}, heard: '', heard_at: null, newVersion: false });

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
  live.state = 'lost';
  tries += 1;
  clearTimeout(retryTimer);
  retryTimer = window.setTimeout(connect, retryAfter(tries));
  if (staleTimer === 0) {
    staleTimer = window.setTimeout(() => {
      live.stale = true;
    }, STALE_AFTER_MS);
  }
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
  if (source !== null || document.hidden) return;
  const stream = new EventSource(livePath);
  source = stream;
  on<LiveSnapshot>(stream, 'snapshot', (snapshot) => {
    found();
    snapshot.latest.forEach(hear);
    live.newVersion = session.status !== null && session.status.version !== snapshot.version;
  });
  on<LiveReading>(stream, 'reading', hear);
  on<unknown>(stream, 'finding', stir);
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
    source?.close();
    source = null;
    clearTimeout(retryTimer);
    return;
  }
  void readStatus();
  stir();
  connect();
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
  // Also while connected: totals grow without any event, and the site's clock drifts.
  setInterval(() => {
    if (document.hidden) return;
    void readStatus();
    stir();
  }, POLL_MS);
  connect();
}
