// Time as the site sees it. The phone's zone is never asked.
//
// In: RFC 3339 with the site's offset, dates `YYYY-MM-DD`, or instants with the site's
// zone. Out: text.
//
// An instant that the gateway wrote already carries the site's wall clock, so the time
// of day is read from it, not computed.

import type { Language } from './quantity.ts';

/** Returns "19:42" of "2026-11-23T19:42:05+08:00". */
export const clockOf = (at: string): string => at.slice(11, 16);

/** Returns "2026-11-23" of "2026-11-23T19:42:05+08:00". */
export const dateOf = (at: string): string => at.slice(0, 10);

/** Returns Unix seconds. */
export const secondsOf = (at: string): number => Math.floor(Date.parse(at) / 1000);

const DAY_MS = 86_400_000;

function utc(date: string): Date {
  return new Date(`${date}T00:00:00Z`);
}

/** Returns the day so many days later; calendar days, whatever the clock does on them. */
export function addDays(date: string, days: number): string {
  return new Date(utc(date).getTime() + days * DAY_MS).toISOString().slice(0, 10);
}

/** Returns the number of calendar days from one date to another. */
export function daysBetween(from: string, to: string): number {
  return Math.round((utc(to).getTime() - utc(from).getTime()) / DAY_MS);
}

/** Returns 0 for Monday to 6 for Sunday. */
export function weekdayOf(date: string): number {
  return (utc(date).getUTCDay() + 6) % 7;
}

const dateFormats = new Map<string, Intl.DateTimeFormat>();

function dateFormat(language: Language, parts: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(parts);
  let made = dateFormats.get(key);
  if (made === undefined) {
    made = new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, parts);
    dateFormats.set(key, made);
  }
  return made;
}

/** Returns "11月23日 周一" or "Mon 23 Nov"; with the year when asked. */
export function dateText(date: string, language: Language, withYear = false): string {
  const format = dateFormat(language, {
    month: language === 'en' ? 'short' : 'long',
    day: 'numeric',
    weekday: 'short',
    timeZone: 'UTC',
    ...(withYear ? { year: 'numeric' } : {}),
  });
  // "11月23日周一" runs together; a space lets the weekday be seen.
  return format.format(utc(date)).replace(/(日)(周|星期)/, '$1 $2').replace(',', '');
}

/** Returns "11月" or "Nov". */
export function monthText(date: string, language: Language): string {
  return dateFormat(language, { month: 'short', timeZone: 'UTC' }).format(utc(date));
}

/** Returns "2026年11月" or "November 2026" of "2026-11". */
export function yearMonthText(month: string, language: Language): string {
  return dateFormat(language, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(utc(`${month}-01`));
}

/** Returns the last `count` months as `YYYY-MM`, the newest first. */
export function monthsBack(from: string, count: number): string[] {
  const [year = 1970, month = 1] = from.split('-').map(Number);
  return Array.from({ length: count }, (_, back) =>
    new Date(Date.UTC(year, month - 1 - back, 1)).toISOString().slice(0, 7),
  );
}

/** Returns `at` moved by minutes, in the same offset. */
export function addMinutes(at: string, minutes: number): string {
  const offset = /([+-]\d\d:\d\d|Z)$/.exec(at)?.[1] ?? 'Z';
  const sign = offset.startsWith('-') ? -1 : 1;
  const ahead_ms =
    offset === 'Z' ? 0 : sign * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6))) * 60_000;
  const wall = new Date(Date.parse(at) + minutes * 60_000 + ahead_ms).toISOString().slice(0, 19);
  return wall + offset;
}

/** Returns `at` moved up to the next half hour of the wall clock, at least `minutes` on. */
export function halfHourAfter(at: string, minutes: number): string {
  const later = addMinutes(at, minutes);
  const over = (Number(later.slice(14, 16)) % 30) * 60 + Number(later.slice(17, 19));
  return over === 0 ? later : addMinutes(later, (1800 - over) / 60);
}

/** Returns how far the wall clock of a zone is ahead of UTC at an instant, ms. */
function ahead(ms: number, zone: string): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone: zone,
  }).formatToParts(new Date(ms));
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value ?? 0);
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return wall - Math.floor(ms / 1000) * 1000;
}

/**
 * Returns RFC 3339 for a wall clock time of a zone, as a form field holds it
 * ("2026-11-23T19:30"). A time that a clock change leaves out is the hour after it.
 */
export function atWall(wall: string, zone: string): string {
  const naive = Date.parse(`${wall.slice(0, 16)}:00Z`);
  // The offset before and after a change differ by an hour; the second guess is right.
  const guess = naive - ahead(naive, zone);
  const ahead_ms = ahead(guess, zone);
  const ms = naive - ahead_ms;
  const offset_min = Math.round(ahead(ms, zone) / 60_000);
  const two = (size: number): string => String(size).padStart(2, '0');
  const size = Math.abs(offset_min);
  const offset = `${offset_min < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return `${new Date(ms + offset_min * 60_000).toISOString().slice(0, 19)}${offset}`;
}

/** Returns the wall clock of an instant as a form field holds it, down to a quarter hour. */
export function wallOf(at: string, quarter = false): string {
  if (!quarter) return at.slice(0, 16);
  const minute = Math.floor(Number(at.slice(14, 16)) / 15) * 15;
  return `${at.slice(0, 14)}${String(minute).padStart(2, '0')}`;
}

/** Returns the instant a local day begins at. */
export const dayStart = (date: string, zone: string): string => atWall(`${date}T00:00`, zone);

/** Returns the site's wall clock "HH:MM" at the start of each interval of a day. */
export function intervalStarts(start_at: string, interval_s: number, count: number, zone: string): string[] {
  const format = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone: zone,
  });
  const start = Date.parse(start_at);
  return Array.from({ length: count }, (_, at) => format.format(new Date(start + at * interval_s * 1000)));
}

/** Returns RFC 3339 in the offset of `like`, for an instant in milliseconds. */
export function written(ms: number, like: string): string {
  return addMinutes(like, (ms - Date.parse(like)) / 60_000);
}
