// What the pages say, in the reader's language.
//
// In: a key of the shared catalogue (`locales/*.json`, read by the gateway too) and what
// fills its `{placeholders}`. Out: text. A key that does not exist does not compile.

import en from '../locales/en.json';
import zh from '../locales/zh-CN.json';
import type { Place, Text } from './api/client.ts';
import type { Language } from './quantity.ts';
import { settings } from './settings.ts';

export type Key = keyof typeof zh;
export type Params = Record<string, string | number>;

const CATALOGUES: Record<Language, Record<Key, string>> = { 'zh-CN': zh, en };

/** Puts the parameters into a text. A placeholder without a parameter stays visible. */
export function fill(text: string, params: Params): string {
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => {
    const value = params[name];
    return value === undefined ? hole : String(value);
  });
}

/**
 * Returns the text of a key.
 *
 * A code that only a newer gateway knows comes out as it is: better than a white page.
 */
export function t(key: Key, params: Params = {}): string {
  const text: string | undefined = CATALOGUES[settings.language][key];
  return fill(text ?? key, params);
}

type Counted<K> = K extends `${infer Stem}.one` ? Stem : never;
export type CountedKey = Counted<Key>;

/** Returns the text for one or for several of something; `{n}` is how many. */
export function counted(stem: CountedKey, n: number, params: Params = {}): string {
  const key = `${stem}.${n === 1 ? 'one' : 'other'}` as Key;
  return t(key, { n, ...params });
}

/** Returns whether the catalogue has this key: for codes that the gateway may add later. */
export function isKey(key: string): key is Key {
  return key in zh;
}

/** Returns a name in the reader's language, or in the other where it was not given. */
export function nameOf(name: Text): string {
  return settings.language === 'en' ? name.en || name.zh : name.zh || name.en;
}

/** Returns the name of a place. */
export const placeName = (place: Place): string => nameOf(place.name);

/** Returns how long, in the two largest units that matter. */
export function durationText(seconds: number): string {
  const minutes = Math.max(0, Math.floor(seconds / 60));
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days >= 2) return t('page.time.days', { days });
  if (hours >= 1) {
    return minutes % 60 === 0
      ? t('page.time.hours', { hours })
      : t('page.time.hours_minutes', { hours, minutes: minutes % 60 });
  }
  return minutes < 1 ? t('page.time.moment') : t('page.time.minutes', { minutes });
}
