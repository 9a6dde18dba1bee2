// How the made-up campus explains its numbers: why, rows, counts, balance, events, a month.
//
// As in the gateway, whatever adds up is added up here from the same intervals.

import type { components } from '../../src/api/schema.ts';
import { found } from './found.ts';
import { METERS, NOW, rfc, type Campus, type MeterKind } from './campus.ts';

type Schemas = components['schemas'];

const SLOT_MS = 900_000;
const DAY_MS = 86_400_000;
const RATE_E4 = 8123;
const KNOWN_UNTIL = NOW - (NOW % SLOT_MS);

const kindOf = (id: string): MeterKind | undefined => METERS.find((kind) => kind.row.id === id);
const place = (kind: MeterKind): Schemas['Place'] => ({ id: kind.row.id, name: kind.row.name });
const dateOf = (ms: number): string => rfc(ms).slice(0, 10);
const midnight = (date: string): number => Date.parse(`${date}T00:00:00+08:00`);
const isTop = (kind: MeterKind): boolean => kind.row.parent === null;

interface Slot {
  ms: number;
  measured: number;
  estimated: number;
  estimated_s: number;
  missing_s: number;
}

function slots(campus: Campus, kind: MeterKind, from: number, to: number): Slot[] {
  const found: Slot[] = [];
  for (let date = dateOf(from); midnight(date) < to; date = dateOf(midnight(date) + DAY_MS)) {
    const day = campus.day(kind.row.id, date);
    day?.amount.forEach((amount, at) => {
      const ms = midnight(date) + at * SLOT_MS;
      if (ms < from || to <= ms || KNOWN_UNTIL <= ms) return;
      const guessed = day.quality[at] === 'estimated';
      found.push({
        ms,
        measured: guessed ? 0 : (amount ?? 0),
        estimated: guessed ? (amount ?? 0) : 0,
        estimated_s: guessed ? 900 : 0,
        missing_s: amount === null ? 900 : 0,
      });
    });
  }
  return found;
}

function summed(all: readonly Slot[]): Schemas['WhySum'] {
  const sum = { amount: 0, measured: 0, estimated: 0, measured_s: 0, estimated_s: 0, missing_s: 0 };
  for (const slot of all) {
    sum.amount += slot.measured + slot.estimated;
    sum.measured += slot.measured;
    sum.estimated += slot.estimated;
    sum.estimated_s += slot.estimated_s;
    sum.missing_s += slot.missing_s;
    sum.measured_s += 900 - slot.estimated_s - slot.missing_s;
  }
  const whole = Math.max(1, sum.measured_s + sum.estimated_s + sum.missing_s);
  const estimated_milli = Math.round((1000 * sum.estimated_s) / whole);
  const missing_milli = Math.round((1000 * sum.missing_s) / whole);
  return { ...sum, measured_milli: 1000 - estimated_milli - missing_milli, estimated_milli, missing_milli };
}

const cost = (amount: number): number => Math.round((amount / 1e6) * RATE_E4);

export function why(campus: Campus, query: URLSearchParams): Schemas['Why'] | null {
  const kind = kindOf(query.get('meter') ?? '');
  const from = Date.parse(query.get('from') ?? '');
  const to = Math.min(Date.parse(query.get('to') ?? ''), KNOWN_UNTIL);
  if (kind === undefined || !(from < to)) return null;
  const all = slots(campus, kind, from, to);
  const sum = summed(all);
  const electric = kind.row.medium === 'electricity';
  const began = 150_795_610_000;
  const stand = (ms: number, value: number): Schemas['WhyStand'] => ({ at: rfc(ms), value, scaled: value });
  const sentence = (code: Schemas['WhyCode'], params: Record<string, string | number>): Schemas['WhySentence'] => ({
    code,
    params: Object.fromEntries(Object.entries(params).map(([key, value]) => [key, String(value)])),
  });
  const events = campus.events.filter((event) => event.meter === kind.row.id && event.row.undone_at === null).map((event) => event.row);
  const sentences = [
    sentence('counted', { from_at: rfc(from - 12_000), to_at: rfc(to - 20_000), from_value: began, to_value: began + sum.amount, amount: sum.amount, laid: sum.amount, links: all.length * 15 }),
    ...(sum.estimated_s > 0
      ? [sentence('gap_shape', { from_at: rfc(midnight(dateOf(to)) + 9.5 * 3_600_000), to_at: rfc(midnight(dateOf(to)) + 10.25 * 3_600_000), amount: sum.estimated, laid: sum.estimated })]
      : []),
    ...events.map((event) => sentence(event.kind === 'swap' ? 'swapped' : 'corrected', { event: event.id, by: event.by, reason: event.reason, from_at: event.from, to_at: event.to ?? '', last_value: event.last ?? 0, first_value: event.first ?? 0, before_amount: sum.amount, after_amount: sum.amount })),
    ...(kind.row.id === 'office-plug' ? [sentence('level', { from_at: rfc(NOW - 3 * DAY_MS), level_milli: 100, num: 10, den: 1 })] : []),
    sentence('sum', { measured_amount: sum.measured, estimated_amount: sum.estimated, amount: sum.amount }),
    ...(sum.missing_s > 0 ? [sentence('missing', { missing_s: sum.missing_s })] : []),
    ...(query.get('figure') === 'cost' && electric
      ? [sentence('rate', { amount: sum.amount, rate_e4: RATE_E4, band: 'peak' }), sentence('cost', { cost_e4: cost(sum.amount) })]
      : []),
  ];
  const readings = all.flatMap((slot, at) =>
    Array.from({ length: 15 }, (_, minute): Schemas['WhyReading'] => ({
      at: rfc(slot.ms + minute * 60_000 + 12_000),
      received_at: rfc(slot.ms + minute * 60_000 + 13_000),
      node: 'office-1',
      boot: 7,
      seq: at * 15 + minute,
      clock_synced: true,
      clock: 'synced',
      value: at === 3 && minute === 4 ? 0 : slot.missing_s > 0 ? null : began + at * 1_000_000 + minute * 60_000,
      absence: slot.missing_s > 0 ? 'timeout' : null,
      counts: !(at === 3 && minute === 4) && slot.missing_s === 0,
      suspect: at === 3 && minute === 4 ? 'dip' : null,
    })),
  );
  const offset = Number(query.get('offset') ?? 0);
  const limit = Number(query.get('limit') ?? 200);
  const dates = [...new Set(all.map((slot) => dateOf(slot.ms)))];
  return {
    meter: place(kind),
    unit: kind.row.unit,
    from: rfc(from),
    to: rfc(to),
    sum,
    uncorrected: events.some((event) => event.kind === 'correction') ? sum : null,
    cost_e4: electric ? cost(sum.amount) : null,
    unpriced: electric ? 0 : sum.amount,
    source: { kind: 'counter', quantity: electric ? 'ActiveEnergyImport' : 'Volume', model: kind.row.model, pt: 1000, ct: kind.row.id === 'office-main' ? 40_000 : 1000, interval_s: 60, gap_s_max: 900, rollover: null, error_bound: null, terms: [], negative: [] },
    sentences,
    pieces: [{ kind: 'counted', from: stand(from - 12_000, began), to: stand(to - 20_000, began + sum.amount), amount: sum.amount, laid: sum.amount, weights: [] }],
    events,
    laid: [],
    intervals: all.map((slot) => ({ start: rfc(slot.ms), measured: slot.measured, estimated: slot.estimated, estimated_s: slot.estimated_s, missing_s: slot.missing_s, rate_e4: electric ? RATE_E4 : null })),
    days: dates.map((date) => {
      const { amount } = summed(all.filter((slot) => dateOf(slot.ms) === date));
      return { date, amount, cost_e4: electric ? cost(amount) : null };
    }),
    rates: electric ? [{ band: 'peak', rate_e4: RATE_E4, amount: sum.amount }] : [],
    readings: { total: readings.length, offset, rows: readings.slice(offset, offset + limit) },
    factors: [
      { kind: 'site_book', id: 'demo-campus', version: '3' },
      { kind: 'tariff', id: 'general', version: '2026-01-01 · 沪发改价管〔2025〕12 号' },
      { kind: 'calendar', id: '2026', version: '国办发明电〔2025〕7 号' },
    ],
  };
}

/** Numbers that two days of the five weeks are poor in. */
function countsOf(kind: MeterKind, date: string): Schemas['ReadingCounts'] {
  const due = date === dateOf(NOW) ? 1182 : 1440;
  if (dateOf(NOW) < date) return { expected: 0, received: 0, late: 0, lost: 0, duplicate: 0, unnumbered: 0, unknown: 0, received_milli: null };
  const lost = kind.row.id === 'light-2f-east' && date === dateOf(NOW) ? 6 : kind.row.id === 'light-2f-east' && date.endsWith('-10') ? 40 : 0;
  const unknown = kind.row.id === 'teaching-gas' && date === dateOf(NOW) ? 300 : date.endsWith('-04') ? 200 : 0;
  const received = due - lost - unknown;
  return { expected: received + lost, received, late: date.endsWith('-05') ? 120 : 0, lost, duplicate: 3, unnumbered: 0, unknown, received_milli: Math.floor((1000 * received) / due) };
}

function together(all: readonly Schemas['ReadingCounts'][]): Schemas['ReadingCounts'] {
  const sum = { expected: 0, received: 0, late: 0, lost: 0, duplicate: 0, unnumbered: 0, unknown: 0 };
  for (const one of all) for (const key of ['expected', 'received', 'late', 'lost', 'duplicate', 'unknown'] as const) sum[key] += one[key];
  const due = sum.expected + sum.unknown;
  return { ...sum, received_milli: due === 0 ? null : Math.floor((1000 * sum.received) / due) };
}

function datesOf(query: URLSearchParams): string[] {
  const from = query.get('from') ?? dateOf(NOW - 6 * DAY_MS);
  const to = query.get('to') ?? dateOf(NOW);
  const dates = [];
  for (let ms = midnight(from); ms <= midnight(to); ms += DAY_MS) dates.push(dateOf(ms));
  return dates;
}

export function counts(id: string, query: URLSearchParams): Schemas['MeterCounts'] | null {
  const kind = kindOf(id);
  if (kind === undefined) return null;
  const days = datesOf(query).map((date) => ({ date, ...countsOf(kind, date) }));
  return { meter: place(kind), days, total: together(days) };
}

export function tileRows(campus: Campus, tile: string | null): Schemas['TileRows'] | null {
  const today = campus.today();
  const found = today.tiles.find((one) => one.key === tile);
  if (found === undefined) return null;
  const start = midnight(dateOf(NOW));
  const whole = { measured_milli: 1000, estimated_milli: 0, missing_milli: 0, counts: null };
  const rows = (kinds: readonly MeterKind[], of: (kind: MeterKind) => Partial<Schemas['TileRow']>): Schemas['TileRow'][] =>
    kinds.map((kind) => ({ meter: place(kind), building: kind.row.building, value: null, ...whole, ...of(kind) }));
  const electric = METERS.filter((kind) => isTop(kind) && kind.row.medium === 'electricity');
  let answer: Schemas['TileRow'][];
  if (found.key === 'completeness') {
    answer = rows(METERS, (kind) => {
      const own = countsOf(kind, dateOf(NOW));
      return { value: (own.received_milli ?? 0) * 100, counts: own };
    }).sort((a, b) => (a.value ?? 0) - (b.value ?? 0));
  } else if (found.key === 'power_now') {
    answer = rows(electric, (kind) => ({ value: campus.meter(kind.row.id)?.power_mw ?? null }));
  } else {
    answer = rows(electric, (kind) => {
      const { amount, measured_milli, estimated_milli, missing_milli } = summed(slots(campus, kind, start, NOW));
      return { value: found.key === 'cost_today' ? cost(amount) : amount, measured_milli, estimated_milli, missing_milli };
    });
  }
  const value = found.key === 'completeness' ? found.value : answer.reduce((sum, row) => sum + (row.value ?? 0), 0);
  return { as_of_at: today.as_of_at, key: found.key, unit: found.unit, value, rows: answer, more: 0 };
}

export function balance(campus: Campus, id: string, query: URLSearchParams): Schemas['MeterBalance'] | null {
  const kind = kindOf(id);
  if (kind === undefined) return null;
  const parts = METERS.filter((part) => part.row.parent === id);
  const dates = datesOf(query);
  const named = query.get('step') === 'month' ? [...new Set(dates.map((date) => date.slice(0, 7)))] : dates;
  const row = (from: number, to: number): Schemas['BalanceRow'] => {
    const until = Math.min(to, KNOWN_UNTIL);
    const own = [kind, ...parts].map((meter) => slots(campus, meter, from, until));
    const compared = (own[0] ?? []).map((_, at) => own.every((all) => (all[at]?.missing_s ?? 900) === 0));
    const amounts = own.map((all) => all.reduce((sum, slot, at) => (compared[at] === true ? sum + slot.measured + slot.estimated : sum), 0));
    const known = compared.filter(Boolean).length;
    const [main = 0, ...of] = amounts;
    const rest = known === 0 ? null : main - of.reduce((sum, amount) => sum + amount, 0);
    return { from: rfc(from), to: rfc(until), main, parts: of, rest, rest_milli: rest === null || main === 0 ? null : Math.round((1000 * rest) / main), compared_milli: Math.round((1000 * known) / Math.max(1, compared.length)), estimated_milli: 0, negative: rest !== null && rest < 0 };
  };
  const rows = named.map((name) => {
    const first = midnight(name.length === 7 ? `${name}-01` : name);
    const next = name.length === 7 ? midnight(dateOf(first + 32 * DAY_MS).slice(0, 7) + '-01') : first + DAY_MS;
    return row(first, next);
  });
  return { meter: place(kind), parts: parts.map(place), unit: kind.row.unit, rows, total: row(midnight(dates[0] ?? dateOf(NOW)), NOW) };
}

export function month(campus: Campus, name: string): Schemas['Month'] {
  const from = midnight(`${name}-01`);
  const to = Math.min(midnight(`${dateOf(from + 32 * DAY_MS).slice(0, 7)}-01`), NOW);
  const figures = (kind: MeterKind): Schemas['Figures'] => {
    const { amount, measured_milli, estimated_milli, missing_milli } = summed(slots(campus, kind, from, to));
    const electric = kind.row.medium === 'electricity';
    return { amount, cost_e4: electric ? cost(amount) : 0, unpriced: electric ? 0 : amount, measured_milli, estimated_milli, missing_milli };
  };
  const meters = METERS.map((kind): Schemas['MeterMonth'] => ({ id: kind.row.id, name: kind.row.name, medium: kind.row.medium, load: kind.row.load, area_id: kind.row.area.id, counts_in_total: isTop(kind), unit: kind.row.unit, ...figures(kind) }));
  const totals = (['electricity', 'water', 'gas'] as const).flatMap((medium): Schemas['MediumMonth'][] => {
    const own = meters.filter((meter) => meter.medium === medium && meter.counts_in_total);
    const [first] = own;
    if (first === undefined) return [];
    const add = (key: 'amount' | 'cost_e4' | 'unpriced'): number => own.reduce((sum, meter) => sum + meter[key], 0);
    return [{ medium, unit: first.unit, amount: add('amount'), cost_e4: add('cost_e4'), unpriced: add('unpriced'), measured_milli: first.measured_milli, estimated_milli: first.estimated_milli, missing_milli: first.missing_milli }];
  });
  return {
    month: name,
    site: { zh: '示范园区', en: 'Demo campus' },
    factors: [{ kind: 'tariff', id: 'general', version: '2026-01-01 · 沪发改价管〔2025〕12 号' }, { kind: 'calendar', id: '2026', version: '国办发明电〔2025〕7 号' }],
    meters,
    areas: [],
    days: [],
    totals,
    waste: [{ kind: 'lights_left_on', medium: 'electricity', unit: 'Wh', findings: 14, open: 0, amount: 212_400_000, cost_e4: cost(212_400_000) }],
  };
}

export function finding(campus: Campus, id: number): Schemas['FindingDetail'] | null {
  const row = found(campus).find((one) => one.id === id);
  if (row === undefined) return null;
  const opened = Date.parse(row.opened_at);
  const evidence = Array.from({ length: Math.floor((KNOWN_UNTIL - opened) / SLOT_MS) }, (_, at) => ({
    start_at: rfc(opened + at * SLOT_MS),
    amount: Math.round((row.power_mw ?? 0) / 4),
    limit: Math.round((row.limit_mw ?? 0) / 4),
  }));
  return { ...row, evidence_unit: 'amount', evidence, events: [], detector_text_code: `kind.${row.kind}.about` };
}

/** An event as the gateway would keep it. */
export function eventOf(id: number, user: Schemas['User'], request: Schemas['EventRequest']): Schemas['MeterEvent'] {
  const bare = { id, kind: request.kind, from: request.from, to: null, last: null, first: null, old: null, new: null, num: null, den: null, amount: null, amounts: null, reason: request.reason, photo: null, by: user.name, reported: user.role === 'caretaker', at: rfc(NOW), undone_by: null, undone_at: null };
  switch (request.kind) {
    case 'swap':
      return { ...bare, last: request.last, first: request.first, new: request.new ?? null, photo: request.photo ?? null };
    case 'scale':
      return { ...bare, to: request.to ?? null, num: request.num, den: request.den, photo: request.photo ?? null };
    case 'correction':
      return { ...bare, to: request.to, amount: request.amount ?? null, photo: request.photo ?? null };
    case 'estimate':
      return { ...bare, to: request.to, amount: request.amount };
  }
}

export function preview(campus: Campus, id: string, request: Schemas['EventRequest']): Schemas['EventPreview'] | null {
  const kind = kindOf(id);
  if (kind === undefined) return null;
  const date = request.from.slice(0, 10);
  const sum = (amount: number): Schemas['EventSum'] => ({ amount, estimated: 0, measured_milli: 1000, estimated_milli: 0, missing_milli: 0 });
  const day = (of: string, factor: number): Schemas['EventPreviewDay'] => {
    const { amount } = summed(slots(campus, kind, midnight(of), midnight(of) + DAY_MS));
    return { date: of, before: sum(amount), after: sum(Math.round(amount * factor)) };
  };
  const days = [day(dateOf(midnight(date) - DAY_MS), 1), day(date, 1.25)];
  const add = (side: 'before' | 'after'): Schemas['EventSum'] => sum(days.reduce((all, one) => all + one[side].amount, 0));
  return { unit: kind.row.unit, from: days[0]?.date ?? date, to: date, before: add('before'), after: add('after'), days };
}
