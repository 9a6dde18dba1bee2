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
