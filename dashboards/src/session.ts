// What every page needs first: which site, what time it is there, who reads, what is amiss.

import { computed, reactive } from 'vue';
import { api, Problem, type Notice, type Status, type Unit } from './api/client.ts';
import type { Quantity, Reading, Shown, Style } from './quantity.ts';
import { show, showExact, showInstrument, showRate } from './quantity.ts';
import { settings } from './settings.ts';
import { dateOf, secondsOf, written } from './time.ts';

export const session = reactive<{
  status: Status | null;
  /** Why there is no status: the gateway is away. */
  problem: Problem | null;
  /** The page's own clock when `status.now_at` was true. */
  read_ms: number;
  /** Counts up each second, so that ages grow on the page. */
  tick: number;
}>({ status: null, problem: null, read_ms: 0, tick: 0 });

/** Asks the gateway; keeps the last answer while it is away. */
export async function readStatus(): Promise<void> {
  try {
    session.status = await api.status();
    session.read_ms = performance.now();
    session.problem = null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    session.problem = error;
  }
}

/** Takes the notices that the live stream tells. */
export function takeNotices(notices: Notice[]): void {
  if (session.status !== null) session.status.notices = notices;
}

/** Instant now at the site, in milliseconds; a demo's clock runs faster. */
export const siteNow_ms = computed<number | null>(() => {
  const status = session.status;
  if (status === null || session.tick < 0) return null;
  return Date.parse(status.now_at) + (performance.now() - session.read_ms) * status.speed;
});

/** RFC 3339 now, on the site's wall clock. */
export const siteNow = computed<string | null>(() =>
  siteNow_ms.value === null || session.status === null
    ? null
    : written(siteNow_ms.value, session.status.now_at),
);

export const today = computed<string>(() => (siteNow.value === null ? '' : dateOf(siteNow.value)));

export const zone = computed<string>(() => session.status?.site?.zone ?? 'UTC');

/** Returns how long ago an instant was, in seconds of the site's clock. */
export function age_s(at: string | null): number | null {
  if (at === null || siteNow_ms.value === null) return null;
  return Math.max(0, siteNow_ms.value / 1000 - secondsOf(at));
}

/** Whether this reader may see numbers; before the log-in there is nothing to listen to. */
export const mayRead = computed<boolean>(
  () => session.status !== null && !session.status.setup_needed && (session.status.open_reading || session.status.user !== null),
);

/** Whether this reader may say 已关, 加班 or 误报. */
export const mayMark = computed<boolean>(() => {
  const role = session.status?.user?.role;
  return role === 'caretaker' || role === 'engineer';
});

/** Whether this reader may report a meter swap: whoever stands before the meter. */
export const mayReport = mayMark;

/** Whether this reader may correct meters, and take back what others said of them. */
export const mayEdit = computed<boolean>(() => session.status?.user?.role === 'engineer');

export const style = computed<Style>(() => ({
  language: settings.language,
  currency: session.status?.site?.currency ?? 'CNY',
}));

/** Returns how this reader sees a value. */
export function shown(value: number | null, quantity: Quantity, more: { at?: string | null; decimals?: number } = {}): Shown {
  const reading: Reading = { value, quantity };
  if (more.at !== undefined) reading.age_s = age_s(more.at);
  return show(reading, more.decimals === undefined ? style.value : { ...style.value, decimals: more.decimals });
}

/** Returns a value's text alone, for sentences. */
export function text(value: number | null, quantity: Quantity): string {
  return shown(value, quantity).text;
}

/** Returns an amount to the last digit that anybody reads. */
export function exact(value: number | null, quantity: 'energy' | 'volume'): string {
  return showExact(value, quantity, style.value).text;
}

/** Returns a price per unit. */
export function rate(rate_e4: number, unit: Unit): string {
  return showRate(rate_e4, unit, style.value);
}

/** Returns how this reader sees a value of a meter's display. */
export function shownInstrument(value: number | null, unit: string): Shown {
  return showInstrument(value, unit, style.value);
}
