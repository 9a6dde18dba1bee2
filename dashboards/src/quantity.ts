// From a value to the text a person reads: the only place that writes "kWh".
//
// In: a value as the API sends it (thousandths of its unit, money in 1/10000), what it
// is, and how old it is. Out: number, unit and whether the number is stale.
//
// Afterwards:
// - no value is a dash, never a zero;
// - one quantity has one unit on all pages (kW, kWh, m³, m³/h), so that two rows can be
//   compared at a glance; Chinese readers get 万kWh from 100,000 kWh on, as their forms do;
// - rounding happens here and nowhere else.
//
// Not here: what a number means (pages), time of day (`time.ts`).

import type { Tile, Unit } from './api/client.ts';

export type Language = 'zh-CN' | 'en';

/** What a value is; fixes the scale of the API's integer and the unit shown. */
export type Quantity = 'power' | 'energy' | 'volume' | 'flow' | 'money' | 'percent' | 'count';

export interface Reading {
  /** The API's integer; null where there is none. */
  value: number | null;
  quantity: Quantity;
  /** Seconds since the value was true; null where that says nothing (a finished day). */
  age_s?: number | null;
}

export interface Style {
  language: Language;
  /** ISO 4217; yuan unless the site says otherwise. */
  currency?: string;
  /** Exactly so many decimals, for columns of a table. */
  decimals?: number;
}

export interface Shown {
  number: string;
  /** Empty where the number carries its sign itself (¥, %). */
  unit: string;
  /** Number and unit, as a screen reader or a sentence wants them. */
  text: string;
  /** Older than three polls of a slow meter: to be greyed. */
  stale: boolean;
}

/** What the numbers of Today's tiles are. */
export const TILE_QUANTITIES: Record<Tile['unit'], Quantity> = {
  W: 'power',
  Wh: 'energy',
  CNY_e4: 'money',
  L: 'volume',
  percent_milli: 'percent',
};

export const NO_VALUE = '–';

/** Three poll intervals of a quarter-hour meter would be 45 min; live numbers come each
 *  minute at most, so ten minutes of silence are already worth telling. */
const STALE_S = 600;

/** 万 is how Chinese statistics forms count from 100,000 on. */
const WAN = 10_000;
const WAN_FROM = 100_000;

interface Scale {
  /** API integers per unit shown. */
  divisor: number;
  unit: string;
  /** Decimals for numbers under 1, under 10, under 100, and above. */
  decimals: readonly [number, number, number, number];
}

const SCALES: Record<Exclude<Quantity, 'money' | 'percent'>, Scale> = {
  power: { divisor: 1e6, unit: 'kW', decimals: [2, 2, 1, 0] },
  energy: { divisor: 1e6, unit: 'kWh', decimals: [2, 2, 1, 0] },
  volume: { divisor: 1e6, unit: 'm³', decimals: [3, 2, 1, 0] },
  flow: { divisor: 1e6, unit: 'm³/h', decimals: [3, 2, 1, 0] },
  count: { divisor: 1, unit: '', decimals: [0, 0, 0, 0] },
};

const MONEY_DIVISOR = 10_000;
const PERCENT_DIVISOR = 1_000;

const formats = new Map<string, Intl.NumberFormat>();

function format(language: Language, decimals: number, currency?: string): Intl.NumberFormat {
  const key = `${language} ${decimals} ${currency ?? ''}`;
  let made = formats.get(key);
  if (made === undefined) {
    made = new Intl.NumberFormat(language, {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      ...(currency === undefined ? {} : { style: 'currency', currency, currencyDisplay: 'narrowSymbol' }),
    });
    formats.set(key, made);
  }
  return made;
}

function decimalsFor(size: number, decimals: Scale['decimals']): number {
  const at = size < 1 ? 0 : size < 10 ? 1 : size < 100 ? 2 : 3;
  return decimals[at];
}

/** Zero must not come out as "-0.00" when a tiny negative number is rounded. */
function number(value: number, decimals: number, style: Style, currency?: string): string {
  const factor = 10 ** decimals;
  const rounded = Math.round(Math.abs(value) * factor) === 0 ? 0 : value;
  return format(style.language, decimals, currency).format(rounded).replace('-', '\u2212');
}

function join(shownNumber: string, unit: string): string {
  // Never broken between the two: a "kW" at the start of a line belongs to nothing.
  return unit === '' ? shownNumber : `${shownNumber}\u00a0${unit}`;
}

function money(value: number | null, style: Style): { number: string; unit: string } {
  const currency = style.currency ?? 'CNY';
  const chinese = style.language === 'zh-CN' && currency === 'CNY';
  const yuan = value === null ? null : value / MONEY_DIVISOR;
  if (yuan === null) return { number: NO_VALUE, unit: chinese ? '元' : '' };
  const size = Math.abs(yuan);
  if (chinese && size >= WAN_FROM) {
    return { number: number(yuan / WAN, style.decimals ?? 2, style), unit: '万元' };
  }
  const decimals = style.decimals ?? (size < 1000 ? 2 : 0);
  return chinese
    ? { number: number(yuan, decimals, style), unit: '元' }
    : { number: number(yuan, decimals, style, currency), unit: '' };
}

/**
 * Returns how a value is written.
 *
 * The unit is there even when the value is not: "– kWh" says what is missing.
 */
export function show(reading: Reading, style: Style): Shown {
  const { value, quantity } = reading;
  const age = reading.age_s ?? null;
  const stale = age !== null && STALE_S < age;
  let written: { number: string; unit: string };
  if (quantity === 'money') {
    written = money(value, style);
  } else if (quantity === 'percent') {
    const share = value === null ? null : value / PERCENT_DIVISOR;
    // 99.96 % complete is not 100 %: something is missing, and the number must say so.
    const honest = share !== null && share < 100 && 99.95 <= share ? 99.9 : share;
    const decimals = style.decimals ?? (honest === null || honest === 100 || honest === 0 ? 0 : 1);
    written = { number: honest === null ? NO_VALUE : `${number(honest, decimals, style)}%`, unit: '' };
  } else {
    const scale = SCALES[quantity];
    const size = value === null ? null : value / scale.divisor;
    const inWan =
      size !== null &&
      style.language === 'zh-CN' &&
      (quantity === 'energy' || quantity === 'volume') &&
      WAN_FROM <= Math.abs(size);
    if (size === null) written = { number: NO_VALUE, unit: scale.unit };
    else if (inWan) {
      written = { number: number(size / WAN, style.decimals ?? 2, style), unit: `万${scale.unit}` };
    } else {
      const decimals = style.decimals ?? decimalsFor(Math.abs(size), scale.decimals);
      written = { number: number(size, decimals, style), unit: scale.unit };
    }
  }
  return { ...written, text: join(written.number, written.unit), stale };
}

/**
 * Returns an amount to the watt-hour or the litre, never in 万: what is to be worked out
 * again on paper must not be rounded twice.
 */
export function showExact(value: number | null, quantity: 'energy' | 'volume', style: Style): Shown {
  const { divisor, unit } = SCALES[quantity];
  const written = value === null ? NO_VALUE : number(value / divisor, 3, style);
  return { number: written, unit, text: join(written, unit), stale: false };
}

/** Returns a price per kWh or m³, with the four decimals that tariffs have. */
export function showRate(rate_e4: number, unit: Unit, style: Style): string {
  const { number: written, unit: currency } = money(rate_e4, { ...style, decimals: 4 });
  return `${join(written, currency)}/${SCALES[quantityOf(unit)].unit}`;
}

/**
 * Returns what a person typed, in the API's integers; null if it is no number.
 *
 * `scale` is a quantity, or how many integers make one of what was typed. Digits are moved,
 * not multiplied: 0.1 has no end in binary. Full-width digits and signs are as good.
 */
export function parsed(typed: string, scale: 'energy' | 'volume' | number): number | null {
  const narrow = typed
    .replace(/[\uff10-\uff19]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) - 0xfee0))
    .replace(/[\uff0e\u3002]/g, '.')
    .replace(/[,\uff0c\s]/g, '');
  const found = /^(\d{1,12})(?:\.(\d*))?$/.exec(narrow);
  if (found === null) return null;
  const places = Math.round(Math.log10(typeof scale === 'number' ? scale : SCALES[scale].divisor));
  const [, whole = '0', part = ''] = found;
  const value = Number(whole + part.slice(0, places).padEnd(places, '0'));
  return Number.isSafeInteger(value) ? value : null;
}

/** Returns what an amount of the API's unit is. */
export function quantityOf(unit: Unit): 'energy' | 'volume' {
  return unit === 'Wh' ? 'energy' : 'volume';
}

/** Returns what an amount per hour of the API's unit is. */
export function rateOf(unit: Unit): 'power' | 'flow' {
  return unit === 'Wh' ? 'power' : 'flow';
}

/**
 * Returns the demand of an interval: the mean power (mW) or flow (mL/h) that came to
 * `amount` (mWh or mL) in `interval_s` seconds. A gap stays a gap.
 */
export function demand(amount: number | null, interval_s: number): number | null {
  return amount === null ? null : (amount * 3600) / interval_s;
}

/** Returns the number a chart draws for a value: the same scale that its axis is written in. */
export function onAxis(value: number | null, quantity: 'power' | 'flow' | 'energy' | 'volume'): number | null {
  return value === null ? null : value / SCALES[quantity].divisor;
}

/** Returns the value (the API's scale) that a chart's axis calls `plotted`. */
export function offAxis(plotted: number, quantity: 'power' | 'flow' | 'energy' | 'volume'): number {
  return plotted * SCALES[quantity].divisor;
}

/** Returns the unit an axis or a column is headed with. */
export function unitOf(quantity: Exclude<Quantity, 'money' | 'percent'>): string {
  return SCALES[quantity].unit;
}

/** Units of instruments that people read in thousands. */
const INSTRUMENTS: Record<string, { divisor: number; unit: string; decimals: number }> = {
  W: { divisor: 1e6, unit: 'kW', decimals: 3 },
  var: { divisor: 1e6, unit: 'kvar', decimals: 3 },
  VA: { divisor: 1e6, unit: 'kVA', decimals: 3 },
  Wh: { divisor: 1e6, unit: 'kWh', decimals: 2 },
  varh: { divisor: 1e6, unit: 'kvarh', decimals: 2 },
  L: { divisor: 1e6, unit: 'm³', decimals: 3 },
  'L/h': { divisor: 1e6, unit: 'm³/h', decimals: 3 },
  Pa: { divisor: 1e6, unit: 'kPa', decimals: 2 },
  Hz: { divisor: 1e3, unit: 'Hz', decimals: 2 },
  V: { divisor: 1e3, unit: 'V', decimals: 1 },
  A: { divisor: 1e3, unit: 'A', decimals: 2 },
  '': { divisor: 1e3, unit: '', decimals: 3 },
};

/** Returns how a meter's display would write a value of `unit` (the API's, in thousandths). */
export function showInstrument(value: number | null, unit: string, style: Style): Shown {
  const scale = INSTRUMENTS[unit] ?? { divisor: 1e3, unit, decimals: 1 };
  const written =
    value === null ? NO_VALUE : number(value / scale.divisor, style.decimals ?? scale.decimals, style);
  return { number: written, unit: scale.unit, text: join(written, scale.unit), stale: false };
}
