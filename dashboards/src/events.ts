// What the forms of meter events hold, and what they say to the gateway.
//
// Pure: a form in, a request or the first thing that is missing out.

import type { EventRequest, SwapRequest, Unit } from './api/client.ts';
import type { Key } from './language.ts';
import { parsed, quantityOf } from './quantity.ts';
import { atWall } from './time.ts';

/** What is still missing, as a sentence. */
export interface Missing {
  missing: Key;
}

export const isMissing = (made: EventRequest | Missing): made is Missing => 'missing' in made;

/** The three steps of a swap, as typed. */
export interface SwapForm {
  /** "2026-11-23T19:30", on the site's wall clock. */
  at: string;
  last: string;
  first: string;
  /** Whether the display's number is to be multiplied by the transformers' ratio. */
  times: boolean;
  changed: boolean;
  model: string;
  /** Ratio of the voltage and current transformers, as "10" or "40". */
  pt: string;
  ct: string;
  reason: string;
  photo: string;
}

/** What a ratio typed as "40" is in thousandths; null if it is none. */
export function ratioOf(typed: string): number | null {
  const ratio = parsed(typed, 1000);
  return ratio === null || ratio <= 0 ? null : ratio;
}

/** The factor between a display before the transformers and the readings, from thousandths. */
export const factorOf = (pt: number, ct: number): number => (pt / 1000) * (ct / 1000);

/** Returns a typed value in thousandths of the unit, after the ratio; null if it is none. */
export function standOf(typed: string, unit: Unit, factor: number): number | null {
  const value = parsed(typed, quantityOf(unit));
  return value === null || value < 0 ? null : Math.round(value * factor);
}

/** Returns what the first step lacks; null if nothing. */
export function oldMissing(form: SwapForm, unit: Unit): Key | null {
  if (form.at === '') return 'page.event.want.at';
  return standOf(form.last, unit, 1) === null ? 'page.event.want.last' : null;
}

/** Returns what the second step lacks; null if nothing. */
export function newMissing(form: SwapForm, unit: Unit): Key | null {
  if (standOf(form.first, unit, 1) === null) return 'page.event.want.first';
  const typed = form.changed ? [form.pt, form.ct].filter((ratio) => ratio.trim() !== '') : [];
  return typed.some((ratio) => ratioOf(ratio) === null) ? 'page.event.want.ratio' : null;
}

/** Returns the request for a swap. `factor` is the old transformers' ratio. */
export function swapOf(form: SwapForm, unit: Unit, zone: string, factor: number): EventRequest | Missing {
  const missing = oldMissing(form, unit) ?? newMissing(form, unit);
  if (missing !== null) return { missing };
  const old = form.times ? factor : 1;
  const part: { model?: string; pt?: number; ct?: number } = {};
  if (form.changed) {
    if (form.model.trim() !== '') part.model = form.model.trim();
    const [pt, ct] = [ratioOf(form.pt), ratioOf(form.ct)];
    if (pt !== null) part.pt = pt;
    if (ct !== null) part.ct = ct;
  }
  const anew = part.pt === undefined && part.ct === undefined ? factor : factorOf(part.pt ?? 1000, part.ct ?? 1000);
  const swap: SwapRequest = {
    from: atWall(form.at, zone),
    last: standOf(form.last, unit, old) ?? 0,
    first: standOf(form.first, unit, form.times ? anew : 1) ?? 0,
    ...(Object.keys(part).length === 0 ? {} : { new: part }),
    reason: form.reason.trim(),
    ...(form.photo.trim() === '' ? {} : { photo: form.photo.trim() }),
  };
  return { kind: 'swap', ...swap };
}

/** What an engineer may say besides a swap. */
export type CorrectionKind = 'correction' | 'estimate' | 'scale';

export interface CorrectionForm {
  kind: CorrectionKind;
  from: string;
  to: string;
  amount: string;
  num: string;
  den: string;
  reason: string;
  photo: string;
}

/** Returns the request for a correction, an estimate or a scale. */
export function correctionOf(form: CorrectionForm, unit: Unit, zone: string): EventRequest | Missing {
  if (form.from === '') return { missing: 'page.event.want.from' };
  const from = atWall(form.from, zone);
  const reason = form.reason.trim();
  const photo = form.photo.trim() === '' ? {} : { photo: form.photo.trim() };
  if (form.kind === 'scale') {
    const [num, den] = [form.num, form.den].map((typed) => (/^\d{1,10}$/.test(typed.trim()) ? Number(typed) : 0));
    if (!num || !den) return { missing: 'page.event.want.factor' };
    return { kind: 'scale', from, ...(form.to === '' ? {} : { to: atWall(form.to, zone) }), num, den, reason, ...photo };
  }
  if (form.to === '') return { missing: 'page.event.want.to' };
  const to = atWall(form.to, zone);
  const amount = parsed(form.amount, quantityOf(unit));
  if (amount === null || amount < 0) return { missing: 'page.event.want.amount' };
  return form.kind === 'correction'
    ? { kind: 'correction', from, to, amount, reason, ...photo }
    : { kind: 'estimate', from, to, amount, reason };
}
