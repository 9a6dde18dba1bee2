// "Why is this number so?": the address of an answer, and its sentences in plain words.
//
// In: the API's codes and what stands in their gaps (integers as text, instants).
// Out: text in the reader's language. The arithmetic is the gateway's; nothing is added
// up here.

import type { MeterEvent, Tile, Unit, WhySentence } from './api/client.ts';
import { isKey, t, type Key, type Params } from './language.ts';
import { quantityOf } from './quantity.ts';
import { exact, rate, text } from './session.ts';
import { settings } from './settings.ts';
import { clockOf, dateOf, dateText } from './time.ts';

/** What can be asked of a meter. */
export type Asked = 'amount' | 'cost';

const query = (params: Record<string, string>): string => `/why?${new URLSearchParams(params).toString()}`;

/** Returns where it says why a meter's figure of a span is what it is. */
export function whyPath(meter: string, from: string, to: string, figure: Asked = 'amount'): string {
  return query({ meter, from, to, ...(figure === 'amount' ? {} : { figure }) });
}

/** Returns where it says why a tile of Today is what it is. */
export const whyTilePath = (tile: Tile['key']): string => query({ tile });

/** Returns where it says why a finding wasted what it did. */
export const whyFindingPath = (finding: number): string => query({ finding: String(finding) });

/** Returns "11月23日 周一 19:30", or the time alone on the day that is talked about. */
export function instantText(at: string, day: string): string {
  return dateOf(at) === day ? clockOf(at) : `${dateText(dateOf(at), settings.language)} ${clockOf(at)}`;
}

/** Returns a span as people say it: a day, a stretch of a day, or from one to another. */
export function spanText(from: string, to: string): string {
  const [first, last] = [dateOf(from), dateOf(to)];
  const day = dateText(first, settings.language, true);
  const until = clockOf(to);
  const next = new Date(`${first}T00:00:00Z`).getTime() + 86_400_000 === new Date(`${last}T00:00:00Z`).getTime();
  if (next && until === '00:00') {
    return clockOf(from) === '00:00' ? day : t('page.why.span', { from: `${day} ${clockOf(from)}`, to: '24:00' });
  }
  if (first === last) return t('page.why.span', { from: `${day} ${clockOf(from)}`, to: until });
  return t('page.why.span', { from: `${day} ${clockOf(from)}`, to: `${dateText(last, settings.language, true)} ${until}` });
}

/** Returns seconds as hours and minutes, never rounded to nothing. */
export function secondsText(seconds: number): string {
  if (seconds < 60) return t('page.time.seconds', { seconds });
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours === 0) return t('page.time.minutes', { minutes });
  return minutes % 60 === 0 ? t('page.time.hours', { hours }) : t('page.time.hours_minutes', { hours, minutes: minutes % 60 });
}

/** Returns a band's name as tariffs have it. */
export function bandText(band: string): string {
  const key = `page.band.${band}`;
  return isKey(key) ? t(key as Key) : band;
}

/**
 * Returns what stands in a sentence's gaps, written for people.
 *
 * What a gap holds is told by the end of its name: `_at` an instant, `_s` seconds, `_milli`
 * thousandths, `_e4` money, `amount`, `laid` and `value` thousandths of the meter's unit.
 */
export function paramsOf(sentence: WhySentence, unit: Unit, day: string): Params {
  const quantity = quantityOf(unit);
  const written = (name: string, value: string): string => {
    const number = Number(value);
    if (name.endsWith('_at')) return value === '' ? '' : instantText(value, day);
    if (name === 'rate_e4') return rate(number, unit);
    if (name.endsWith('_e4')) return text(number, 'money');
    if (name === 'missing_s') return secondsText(number);
    if (name === 'level_milli') return String(number);
    if (/(^|_)(amount|laid|value)$/.test(name)) return exact(number, quantity);
    if (name === 'band') return bandText(value);
    return value;
  };
  return Object.fromEntries(Object.entries(sentence.params).map(([name, value]) => [name, written(name, value)]));
}

/** Returns a sentence; `day` is the day that is talked about, whose times stand alone. */
export function sentenceText(sentence: WhySentence, unit: Unit, day: string): string {
  const key = `why.${sentence.code}`;
  return isKey(key) ? t(key as Key, paramsOf(sentence, unit, day)) : sentence.code;
}

/** Sentences that say what it adds up to, which is what a reader wants first. */
const LEADS: readonly WhySentence['code'][] = ['sum', 'missing', 'cost', 'unpriced'];

/** Returns the sentences in two heaps: what it comes to, and how it came about. */
export function inOrder(sentences: readonly WhySentence[]): { lead: WhySentence[]; steps: WhySentence[] } {
  return {
    lead: sentences.filter((one) => LEADS.includes(one.code)),
    steps: sentences.filter((one) => !LEADS.includes(one.code)),
  };
}

/** Sentences that ask somebody to look, and what there is to do. */
export const FLAGS: Partial<Record<WhySentence['code'], Key>> = {
  level: 'page.flag.level',
  suspects: 'page.flag.suspects',
  negative: 'page.flag.negative',
};

/** Returns the sentences that ask somebody to look. */
export function flagsOf(sentences: readonly WhySentence[]): { sentence: WhySentence; advice: Key }[] {
  return sentences.flatMap((sentence) => {
    const advice = FLAGS[sentence.code];
    return advice === undefined ? [] : [{ sentence, advice }];
  });
}

/** Returns what an event says, in one line. */
export function eventText(event: MeterEvent, unit: Unit): string {
  const quantity = quantityOf(unit);
  const amount = (value: number | null): string => exact(value, quantity);
  const span = event.to === null ? instantText(event.from, '') : spanText(event.from, event.to);
  switch (event.kind) {
    case 'swap':
      return t('page.event.says.swap', { at: instantText(event.from, ''), last: amount(event.last), first: amount(event.first) });
    case 'scale':
      return event.to === null
        ? t('page.event.says.scale_on', { from: span, num: event.num ?? 1, den: event.den ?? 1 })
        : t('page.event.says.scale', { span, num: event.num ?? 1, den: event.den ?? 1 });
    case 'correction':
      return t('page.event.says.correction', { span, amount: amount(event.amount) });
    case 'estimate':
      return t('page.event.says.estimate', { span, amount: amount(event.amount) });
  }
}
