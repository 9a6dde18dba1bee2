// A made-up campus that answers like the gateway, for tests and pictures of the pages.
//
// Everything is a pure function of the instant and the scenario, so that two runs show
// the same numbers. It is Monday, 23 November 2026, 19:42 in Shanghai.

import type { components } from '../../src/api/schema.ts';

type Schemas = components['schemas'];
type Row = Schemas['MeterRow'];

/** What the evening is like. */
export type Scenario = 'left_on' | 'all_off' | 'working' | 'no_data' | 'just_closed' | 'learning';

export const NOW = Date.parse('2026-11-23T19:42:00+08:00');
const OFFSET_MS = 8 * 3_600_000;
const SLOT_S = 900;
const SLOTS = 96;
const HOUR_MS = 3_600_000;

export const rfc = (ms: number): string =>
  `${new Date(ms + OFFSET_MS).toISOString().slice(0, 19)}+08:00`;
const dateOf = (ms: number): string => rfc(ms).slice(0, 10);
const midnight = (date: string): number => Date.parse(`${date}T00:00:00+08:00`);

const text = (zh: string, en: string): Schemas['Text'] => ({ zh, en });
const place = (id: string, zh: string, en: string): Schemas['Place'] => ({ id, name: text(zh, en) });

export const OFFICE = place('office', '综合楼', 'Main office');
const LIBRARY = place('library', '图书馆', 'Library');
const TEACHING = place('teaching', '教学楼', 'Teaching block');
const CANTEEN = place('canteen', '食堂', 'Canteen');

interface Area {
  place: Schemas['Place'];
  building: Schemas['Place'];
  floor: string;
}
const area = (id: string, zh: string, en: string, building: Schemas['Place'], floor: string): Area => ({
  place: place(id, zh, en),
  building,
  floor,
});
export const AREAS = {
  hall: area('1f-hall', '一层大厅', 'Ground floor hall', OFFICE, '1'),
  east: area('2f-east', '二层东区', 'Second floor east', OFFICE, '2'),
  west: area('2f-west', '二层西区', 'Second floor west', OFFICE, '2'),
  third: area('3f', '三层办公区', 'Third floor offices', OFFICE, '3'),
  office: area('office', '综合楼', 'Main office', OFFICE, '1'),
  library: area('library', '图书馆', 'Library', LIBRARY, '1'),
  teaching: area('teaching', '教学楼', 'Teaching block', TEACHING, '1'),
  canteen: area('canteen', '食堂', 'Canteen', CANTEEN, '1'),
};

/** kW at a fraction of the day, for an area in use or not. */
type Shape = (hour: number, working: boolean) => number;
const office: Shape = (hour, working) => {
  const rise = 1 / (1 + Math.exp(-(hour - 7.6) * 2.4));
  const fall = 1 / (1 + Math.exp((hour - 18.3) * 2.2));
  return 0.12 + (working ? rise * fall * (1 - 0.12 * Math.exp(-((hour - 12.6) ** 2) / 0.6)) : 0.05 * rise * fall);
};
const steady: Shape = (hour) => 0.92 + 0.04 * Math.sin((hour / 24) * 2 * Math.PI);
const meals: Shape = (hour) =>
  0.02 + [7.2, 11.8, 17.8].reduce((sum, meal) => sum + Math.exp(-((hour - meal) ** 2) / 0.8), 0) * 0.5;

export interface MeterKind {
  row: Omit<Row, 'state' | 'last_at' | 'power_mw' | 'flow_ml_h' | 'today_amount'>;
  /** Thousandths of the unit an hour at full use: mW, or mL/h. */
  peak: number;
  shape: Shape;
}

function meter(
  id: string,
  zh: string,
  en: string,
  at: Area,
  load: Schemas['Load'],
  peak: number,
  more: { parent?: string; medium?: Schemas['Medium']; model?: string; shape?: Shape } = {},
): MeterKind {
  const medium = more.medium ?? 'electricity';
  return {
    row: {
      id,
      name: text(zh, en),
      medium,
      load,
      model: more.model ?? 'eastron-sdm630',
      area: at.place,
      building: at.building,
      parent: more.parent ?? null,
      unit: medium === 'electricity' ? 'Wh' : 'L',
    },
    peak,
    shape: more.shape ?? office,
  };
}

const kW = 1e6;
const M3_H = 1e6;
const part = { parent: 'office-main' };
export const METERS: MeterKind[] = [
  meter('office-main', '综合楼总表', 'Main office, total', AREAS.office, 'whole', 62 * kW),
  meter('light-1f-hall', '一层大厅照明', 'Ground floor hall lights', AREAS.hall, 'lighting', 4.4 * kW, part),
  meter('light-2f-east', '二层东区照明', 'Second floor east lights', AREAS.east, 'lighting', 3.6 * kW, part),
  meter('light-2f-west', '二层西区照明', 'Second floor west lights', AREAS.west, 'lighting', 3.6 * kW, part),
  meter('light-3f', '三层照明', 'Third floor lights', AREAS.third, 'lighting', 2.9 * kW, part),
  meter('office-plug', '插座', 'Plug loads', AREAS.office, 'plug', 14 * kW, part),
  meter('office-cooling', '空调', 'Cooling', AREAS.office, 'hvac', 18 * kW, part),
  meter('office-datacentre', '信息机房', 'IT room', AREAS.office, 'it', 9.5 * kW, { ...part, shape: steady }),
  meter('library-power', '图书馆总电表', 'Library electricity', AREAS.library, 'whole', 88 * kW, { model: 'chint-dtsu666' }),
  meter('library-gas', '图书馆燃气', 'Library gas', AREAS.library, 'process', 11 * M3_H, { medium: 'gas', model: 'fuxin-gas' }),
  meter('teaching-power', '教学楼总电表', 'Teaching block electricity', AREAS.teaching, 'whole', 54 * kW, { model: 'chint-dtsu666' }),
  meter('teaching-gas', '教学楼燃气', 'Teaching block gas', AREAS.teaching, 'process', 7 * M3_H, { medium: 'gas', model: 'fuxin-gas' }),
  meter('canteen-water', '食堂水表', 'Canteen water', AREAS.canteen, 'process', 3.2 * M3_H, { medium: 'water', model: 'xintai-water', shape: meals }),
];

/** The same "random" number for the same place and time, in -1 to 1. */
function noise(seed: number): number {
  const wave = Math.sin(seed * 12.9898) * 43758.5453;
  return 2 * (wave - Math.floor(wave)) - 1;
}

/** National holidays of 2026 that the year touches. */
const HOLIDAYS = [['2026-01-01', '2026-01-03'], ['2026-02-15', '2026-02-23'], ['2026-05-01', '2026-05-05'], ['2026-10-01', '2026-10-07']];
const MAKE_UP = ['2026-02-14', '2026-02-28', '2026-05-09', '2026-10-10'];

function dayType(date: string): Schemas['DayType'] {
  if (MAKE_UP.includes(date)) return 'make_up';
  if (HOLIDAYS.some(([from = '', to = '']) => from <= date && date <= to)) return 'holiday';
  const weekday = new Date(`${date}T00:00:00Z`).getUTCDay();
  return weekday === 0 || weekday === 6 ? 'weekend' : 'working';
}
const works = (date: string): boolean => ['working', 'make_up'].includes(dayType(date));

function rate(kind: MeterKind, ms: number, scenario: Scenario): number {
  const date = dateOf(ms);
  const hour = (ms - midnight(date)) / HOUR_MS;
  const index = METERS.indexOf(kind);
  let level = kind.shape(hour, works(date)) * (1 + 0.06 * noise(ms / 900_000 + index * 977));
  // The evening that the pages are about: the second floor stayed lit.
  if (scenario === 'left_on' && date === dateOf(NOW) && hour > 18.5) {
    if (kind.row.id === 'light-2f-east') level = 0.93;
    if (kind.row.id === 'light-3f') level = 0.71;
    if (kind.row.id === 'light-1f-hall') level = 0.55;
    if (kind.row.id === 'office-main') level += 0.13;
  }
  // In March somebody forgot the lights for a week; the heat map must show it.
  if (kind.row.load === 'lighting' && '2026-03-09' <= date && date <= '2026-03-13' && hour > 18) level = 0.9;
  const season = kind.row.load === 'hvac' || kind.row.load === 'whole' ? 1 + 0.25 * Math.cos(((new Date(ms).getUTCMonth() - 6.5) / 12) * 4 * Math.PI) : 1;
  return Math.max(0, Math.round(kind.peak * level * season));
}

const amountAt = (kind: MeterKind, ms: number, scenario: Scenario): number =>
  Math.round((rate(kind, ms, scenario) * SLOT_S) / 3600);

const find = (id: string): MeterKind | undefined => METERS.find((kind) => kind.row.id === id);

/** Two gaps: the third floor's node was unplugged this morning; the year has some too. */
function missing(kind: MeterKind, ms: number): boolean {
  const date = dateOf(ms);
  const hour = (ms - midnight(date)) / HOUR_MS;
  if (kind.row.id === 'light-2f-east' && date === dateOf(NOW)) return 13.25 <= hour && hour < 14.5;
  return '2026-06-18' <= date && date <= '2026-06-21';
}

/** An outage at the office that the counter bridged: amounts are estimates. */
const estimated = (ms: number): boolean => {
  const hour = (ms - midnight(dateOf(ms))) / HOUR_MS;
  return dateOf(ms) === dateOf(NOW) && 9.5 <= hour && hour < 10.25;
};

function row(kind: MeterKind, scenario: Scenario): Row {
  const silent = scenario === 'no_data' || kind.row.id === 'teaching-gas';
  const now = rate(kind, NOW, scenario);
  const electric = kind.row.medium === 'electricity';
  let today = 0;
  for (let ms = midnight(dateOf(NOW)); ms + SLOT_S * 1000 <= NOW; ms += SLOT_S * 1000) today += amountAt(kind, ms, scenario);
  return {
    ...kind.row,
    state: silent ? 'silent' : 'live',
    last_at: rfc(silent ? NOW - 5 * HOUR_MS : NOW - 20_000),
    power_mw: electric ? now : null,
    flow_ml_h: electric ? null : now,
    today_amount: scenario === 'no_data' ? null : today,
  };
}

const lights = METERS.filter((kind) => kind.row.load === 'lighting');
const areaOf = (kind: MeterKind): Area =>
  Object.values(AREAS).find((known) => known.place.id === kind.row.area.id) ?? AREAS.office;

/** Where the catalogue has what a kind means and what to do. */
export const wordsOf = (word: string): Pick<Schemas['FindingRow'], 'meaning_text_code' | 'todo_text_codes'> => ({
  meaning_text_code: `mail.${word}.opened.lead`,
  todo_text_codes: [1, 2, 3].map((n) => `mail.${word}.opened.step.${n}`),
});

/** One mock of the gateway's mind: what was found, and what people said to it. */
export class Campus {
  readonly marks = new Map<number, Schemas['Mark']>();
  /** Swaps and corrections that people made, oldest first. */
  readonly events: { meter: string; row: Schemas['MeterEvent'] }[] = [];
  /** Commands to circuits, newest first. */
  commands: Schemas['CommandRow'][] = [];
  user: Schemas['User'] | null = { name: '王师傅', role: 'engineer' };
  setupNeeded = false;
  openReading = true;
  demo = true;
  notices: Schemas['Notice'][] = [];

  constructor(public scenario: Scenario = 'left_on') {}

  findings(): Schemas['FindingRow'][] {
    if (this.scenario !== 'left_on') return [];
    const opened: [string, string][] = [
      ['light-1f-hall', '19:15'],
      ['light-2f-east', '18:45'],
      ['light-3f', '19:00'],
    ];
    return opened.flatMap(([id, at], index) => {
      const kind = find(id);
      if (kind === undefined) return [];
      const opened_at = `2026-11-23T${at}:00+08:00`;
      // What never goes away is no waste: 12 % of the peak, as the shape has it.
      const above = Math.round(rate(kind, NOW, this.scenario) - 0.12 * kind.peak);
      const waste = Math.round((above * (NOW - Date.parse(opened_at))) / HOUR_MS);
      return [
        {
          id: index + 11,
          kind: 'lights_left_on' as const,
          state: 'open' as const,
          meter: { id, name: kind.row.name },
          area: kind.row.area,
          building: kind.row.building,
          floor: areaOf(kind).floor,
          opened_at,
          closed_at: null,
          power_mw: rate(kind, NOW, this.scenario),
          above_mw: above,
          waste,
          unit: 'Wh' as const,
          cost_e4: Math.round((waste / 1e6) * 0.8123 * 10_000),
          cost_e4_per_day: Math.round((waste / 1e6) * 0.8123 * 10_000),
          limit_mw: 300_000,
          late_s: null,
          mark: this.marks.get(index + 11) ?? null,
          ...wordsOf('lights'),
        },
      ];
    });
  }

  status(): Schemas['Status'] {
    return {
      version: '0.1.0',
      now_at: rfc(NOW),
      speed: 1,
      site: { id: 'demo-campus', name: text('示范园区', 'Demo campus'), zone: 'Asia/Shanghai', currency: 'CNY' },
      demo: this.demo,
      setup_needed: this.setupNeeded,
      user: this.user,
      open_reading: this.openReading,
      last_backup_at: null,
      latest_reading_at: this.scenario === 'no_data' ? rfc(NOW - 5 * HOUR_MS) : rfc(NOW - 20_000),
      notices: this.notices,
    };
  }

  today(): Schemas['Today'] {
    const left_on = this.findings().filter((finding) => finding.mark === null || finding.mark.kind === 'switched_off');
    const power = left_on.reduce((sum, finding) => sum + (finding.above_mw ?? 0), 0);
    const whole = METERS.filter((kind) => kind.row.load === 'whole' && kind.row.medium === 'electricity');
    const none = this.scenario === 'no_data';
    const start = midnight(dateOf(NOW));
    const over = Math.floor((NOW - start) / (SLOT_S * 1000));
    const typicalAt = (at: number): number => whole.reduce((sum, kind) => sum + (kind.peak * kind.shape(at / 4, true) * SLOT_S) / 3600, 0);
    const typical = Array.from({ length: SLOTS }, (_, at) => Math.round(typicalAt(at)));
    const amount = Array.from({ length: SLOTS }, (_, at) => {
      if (over <= at || none) return null;
      if (at === 37 || at === 38) return null;
      return whole.reduce((sum, kind) => sum + amountAt(kind, start + at * SLOT_S * 1000, this.scenario), 0);
    });
    const used = amount.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    const usual = typical.slice(0, over).reduce((sum, value) => sum + value, 0);
    const now = whole.reduce((sum, kind) => sum + rate(kind, NOW, this.scenario), 0);
    const usualNow = ((typical[over] ?? 0) * 3600) / SLOT_S;
    const shares = { measured_milli: 981, estimated_milli: 12, missing_milli: 7 };
    const learning = this.scenario === 'learning';
    const around = (value: number): Pick<Schemas['Tile'], 'typical' | 'typical_low' | 'typical_high'> => ({
      typical: learning ? null : Math.round(value),
      typical_low: learning ? null : Math.round(value * 0.88),
      typical_high: learning ? null : Math.round(value * 1.09),
    });
    const value = (number: number): number | null => (none ? null : number);
    const judgement: Schemas['Judgement'] = {
      level: none || learning ? 'unknown' : left_on.length > 0 ? 'attention' : 'good',
      code: none ? 'no_data' : learning ? 'learning' : left_on.length > 0 ? 'left_on' : this.scenario === 'all_off' ? 'all_off' : 'normal',
      params: {
        places: left_on.length,
        power_mw: power,
        cost_e4_per_hour: Math.round((power / 1e6) * 0.8123 * 10_000),
        percent: 4,
        days_known: learning ? 1 : 40,
        days_needed: 3,
      },
    };
    return {
      as_of_at: rfc(NOW),
      judgement,
      tiles: [
        { key: 'power_now', value: value(now), unit: 'W', ...around(usualNow), ...shares, level: none || learning ? 'unknown' : now > usualNow * 1.09 ? 'attention' : 'good', link: '/meters' },
        { key: 'energy_today', value: value(used), unit: 'Wh', ...around(usual), ...shares, level: none || learning ? 'unknown' : 'good', link: '/meters' },
        { key: 'cost_today', value: value(Math.round((used / 1e6) * 0.7512 * 10_000)), unit: 'CNY_e4', ...around((usual / 1e6) * 0.7512 * 10_000), ...shares, level: none || learning ? 'unknown' : 'good', link: '/meters' },
        { key: 'completeness', value: none ? 0 : 99_300, unit: 'percent_milli', typical: null, typical_low: null, typical_high: null, ...(none ? { measured_milli: 0, estimated_milli: 0, missing_milli: 1000 } : shares), level: none ? 'bad' : 'good', link: '/meters' },
      ],
      left_on,
      others: this.scenario === 'left_on' ? { count: 5, cost_e4_per_day: 1_101_900 } : { count: 0, cost_e4_per_day: null },
      profile: {
        unit: 'Wh',
        start_at: rfc(start),
        interval_s: SLOT_S,
        amount,
        typical: typical.map((number) => (learning ? null : number)),
        typical_low: typical.map((number) => (learning ? null : Math.round(number * 0.88))),
        typical_high: typical.map((number) => (learning ? null : Math.round(number * 1.09))),
      },
    };
  }

  patrol(): Schemas['Patrol'] {
    const findings = this.findings();
    const areas = lights.map((kind, index): Schemas['PatrolArea'] => {
      const mine = findings.filter((finding) => finding.area.id === kind.row.area.id);
      const overtime = mine.find((finding) => finding.mark?.kind === 'overtime')?.mark?.until ?? null;
      const state: Schemas['AreaState'] =
        this.scenario === 'no_data' ? 'unknown' : this.scenario === 'just_closed' || this.scenario === 'learning' ? this.scenario : this.scenario === 'working' ? 'open_hours' : overtime !== null ? 'overtime' : mine.length > 0 ? 'on' : 'off';
      return {
        area: kind.row.area,
        building: kind.row.building,
        floor: areaOf(kind).floor,
        walk_order: (index + 1) * 10,
        state,
        closes_at: state === 'open_hours' ? '2026-11-23T20:00:00+08:00' : null,
        judged_from_at: state === 'just_closed' ? '2026-11-23T20:15:00+08:00' : null,
        overtime_until: overtime,
        power_mw: this.scenario === 'no_data' ? null : rate(kind, NOW, this.scenario),
        findings: mine,
      };
    });
    const open = findings.filter((finding) => finding.mark === null).length;
    return {
      as_of_at: rfc(NOW),
      done: this.scenario === 'all_off',
      done_since_at: this.scenario === 'all_off' ? rfc(NOW) : null,
      open,
      marked: findings.length - open,
      areas,
    };
  }

  meters(): Schemas['Meters'] {
    return { meters: METERS.map((kind) => row(kind, this.scenario)) };
  }

  meter(id: string): Schemas['MeterDetail'] | null {
    const kind = find(id);
    if (kind === undefined) return null;
    const found = row(kind, this.scenario);
    const at = found.last_at ?? rfc(NOW);
    const electric: Schemas['LastValue'][] = [
      { quantity: 'ActivePower', unit: 'W', value: found.power_mw, absence: null, at },
      { quantity: 'ActiveEnergyImport', unit: 'Wh', value: 48_213_730_000_000 / 100, absence: null, at },
      { quantity: 'VoltageL1', unit: 'V', value: 229_400, absence: null, at },
      { quantity: 'VoltageL2', unit: 'V', value: 231_100, absence: null, at },
      { quantity: 'VoltageL3', unit: 'V', value: 230_200, absence: null, at },
      { quantity: 'CurrentL1', unit: 'A', value: 5_120, absence: null, at },
      { quantity: 'PowerFactor', unit: '', value: 968, absence: null, at },
      { quantity: 'Frequency', unit: 'Hz', value: 50_010, absence: null, at },
      { quantity: 'ReactivePower', unit: 'var', value: null, absence: 'timeout', at },
    ];
    const volume: Schemas['LastValue'][] = [
      { quantity: 'VolumeFlow', unit: 'L/h', value: found.flow_ml_h, absence: null, at },
      { quantity: 'Volume', unit: 'L', value: 18_233_140_000, absence: null, at },
    ];
    const lost = missing(kind, Date.parse('2026-11-23T13:30:00+08:00')) ? 6 : 0;
    return {
      ...found,
      last_values: kind.row.medium === 'electricity' ? electric : volume,
      counts: { date: dateOf(NOW), expected: 1182, received: 1182 - lost, late: 15, lost, duplicate: 3 },
    };
  }

  day(id: string, date: string): Schemas['MeterDay'] | null {
    const kind = find(id);
    if (kind === undefined) return null;
    const start = midnight(date);
    const instants = Array.from({ length: SLOTS }, (_, at) => start + at * SLOT_S * 1000);
    const over = (ms: number): boolean => ms + SLOT_S * 1000 <= NOW && this.scenario !== 'no_data';
    const working = works(date);
    // The last reading is 20 s old; it is 19:42.
    const running_s = Math.floor((NOW - 20_000) / 1000) % SLOT_S;
    const running_ms = this.scenario !== 'no_data' ? (instants.find((ms) => ms <= NOW && NOW < ms + SLOT_S * 1000) ?? null) : null;
    const amount = instants.map((ms) => (!over(ms) || missing(kind, ms) ? null : amountAt(kind, ms, this.scenario)));
    const typical = instants.map((_, at) => Math.round((kind.peak * kind.shape(at / 4, working) * SLOT_S) / 3600));
    const total = amount.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    const gaps = amount.filter((value, at) => value === null && over(instants[at] ?? 0)).length;
    const ended = instants.filter(over).length || 1;
    const guessed = instants.filter((ms) => over(ms) && estimated(ms)).length;
    return {
      date,
      day_type: dayType(date),
      unit: kind.row.unit,
      start_at: rfc(start),
      interval_s: SLOT_S,
      amount: instants.map((ms, at) => (ms === running_ms ? Math.round((amountAt(kind, ms, this.scenario) * running_s) / SLOT_S) : (amount[at] ?? null))),
      running_s: running_ms === null ? null : running_s,
      quality: instants.map((ms, at) => (ms === running_ms ? 'partly' : amount[at] === null ? 'missing' : estimated(ms) ? 'estimated' : 'measured')),
      typical,
      typical_low: typical.map((value) => Math.round(value * 0.8)),
      typical_high: typical.map((value) => Math.round(value * 1.18)),
      open: instants.map((_, at) => working && 32 <= at && at < 74),
      total: amount.every((value) => value === null) ? null : total,
      cost_e4: kind.row.medium === 'electricity' ? Math.round((total / 1e6) * 0.8123 * 10_000) : null,
      measured_milli: 1000 - Math.round((1000 * (gaps + guessed)) / ended),
      estimated_milli: Math.round((1000 * guessed) / ended),
      missing_milli: Math.round((1000 * gaps) / ended),
    };
  }

  year(id: string): Schemas['MeterYear'] | null {
    const kind = find(id);
    if (kind === undefined) return null;
    const last = midnight(dateOf(NOW));
    const days = Array.from({ length: 364 }, (_, at): Schemas['YearDay'] => {
      const start = last - (363 - at) * 24 * HOUR_MS;
      const hours = Array.from({ length: 24 }, (__, hour) => {
        const ms = start + hour * HOUR_MS;
        return NOW < ms + HOUR_MS || missing(kind, ms) ? null : rate(kind, ms, this.scenario);
      });
      const known = hours.filter((value): value is number => value !== null);
      return {
        date: dateOf(start),
        day_type: dayType(dateOf(start)),
        hours,
        total: known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0),
      };
    });
    return { from: days[0]?.date ?? '', to: dateOf(NOW), unit: kind.row.unit, days };
  }

  nodes(): Schemas['Nodes'] {
    const at = rfc(NOW);
    const idle = { state: 'idle' as const, reason: null, loaded_bytes: 0 };
    return {
      nodes: [
        { id: 'node-office', name: { zh: '综合楼配电间', en: 'Main block, cabinet' }, here: true, told_at: at, version: '0.1.0', update: idle },
        { id: 'node-campus', name: { zh: '校园总表', en: 'Campus' }, here: null, told_at: null, version: null, update: null },
      ],
    };
  }

  mails(): Schemas['Mails'] {
    if (this.scenario !== 'left_on') return { mails: [] };
    const place = '综合楼二层东区';
    const body = '这里已经下班，照明回路仍在用电。\n\n开始：18:45（已 57 分钟）\n到现在多用：约 3.2 kWh，2.58 元\n\n请这样做：\n1. 去看一下；没有人，就把灯关掉。\n2. 打开下班巡检，点“已关”。\n';
    return {
      mails: [
        {
          id: 2,
          to: 'wang@example.org',
          subject: `${place} 灯未关：18:45 起，约 3.2 kWh，2.58 元`,
          text: body,
          html: `<div style="font-family:sans-serif;max-width:560px;margin:24px auto;color:#17233b"><h2>${place}的灯还亮着</h2><p>这里已经下班，照明回路仍在用电。</p><p><a href="/patrol#finding-12" style="display:inline-block;padding:12px 24px;background:#17305c;color:#fff;border-radius:8px;text-decoration:none">打开下班巡检</a></p><script>document.title='broken'</script></div>`,
          created_at: '2026-11-23T19:00:05+08:00',
          sent_at: '2026-11-23T19:00:06+08:00',
          state: 'sent',
          last_error: null,
        },
        {
          id: 1,
          to: 'li@example.org',
          subject: '教学楼燃气 失联：14:42 起没有读数',
          text: '这段时间的用量先算作缺失，不算作零。\n',
          html: null,
          created_at: '2026-11-23T15:30:02+08:00',
          sent_at: null,
          state: 'waiting',
          last_error: 'connection refused',
        },
      ],
    };
  }
}
