// The only place that talks to the gateway.
//
// In: what a page wants to know or say. Out: the gateway's answer in the types of
// `schema.ts`, or a thrown `Problem` whose code says what the page can do about it.
//
// Not here: retries (`marks.ts`), the live stream (`live.ts`).

import type { components } from './schema.ts';

type Schemas = components['schemas'];
export type AreaState = Schemas['AreaState'];
export type CommandRequest = Schemas['CommandRequest'];
export type CommandRow = Schemas['CommandRow'];
export type DayType = Schemas['DayType'];
export type BalanceRow = Schemas['BalanceRow'];
export type DayCounts = Schemas['DayCounts'];
export type Detectors = Schemas['Detectors'];
export type EventKind = Schemas['EventKind'];
export type EventPreview = Schemas['EventPreview'];
export type EventRequest = Schemas['EventRequest'];
export type FindingDays = Schemas['FindingDays'];
export type FindingDetail = Schemas['FindingDetail'];
export type FindingKind = Schemas['FindingKind'];
export type FindingRow = Schemas['FindingRow'];
export type Findings = Schemas['Findings'];
export type IntervalQuality = Schemas['IntervalQuality'];
export type Level = Schemas['Level'];
export type LiveReading = Schemas['LiveReading'];
export type LiveSnapshot = Schemas['LiveSnapshot'];
export type MailRow = Schemas['MailRow'];
export type Mails = Schemas['Mails'];
export type MarkKind = Schemas['MarkKind'];
export type MarkRequest = Schemas['MarkRequest'];
export type Medium = Schemas['Medium'];
export type MeterBalance = Schemas['MeterBalance'];
export type MeterCounts = Schemas['MeterCounts'];
export type MeterDay = Schemas['MeterDay'];
export type MeterDetail = Schemas['MeterDetail'];
export type MeterEvent = Schemas['MeterEvent'];
export type MeterEvents = Schemas['MeterEvents'];
export type MeterRow = Schemas['MeterRow'];
export type Meters = Schemas['Meters'];
export type MeterYear = Schemas['MeterYear'];
export type Month = Schemas['Month'];
export type NodeRow = Schemas['NodeRow'];
export type Nodes = Schemas['Nodes'];
export type MonthForecast = Schemas['MonthForecast'];
export type Notice = Schemas['Notice'];
export type Patrol = Schemas['Patrol'];
export type PatrolArea = Schemas['PatrolArea'];
export type Place = Schemas['Place'];
export type Preview = Schemas['Preview'];
export type ReadingCounts = Schemas['ReadingCounts'];
export type Savings = Schemas['Savings'];
export type Status = Schemas['Status'];
export type SwapRequest = Schemas['SwapRequest'];
export type Switches = Schemas['Switches'];
export type SwitchRow = Schemas['SwitchRow'];
export type Text = Schemas['Text'];
export type Tile = Schemas['Tile'];
export type TileRows = Schemas['TileRows'];
export type Today = Schemas['Today'];
export type TodayProfile = Schemas['TodayProfile'];
export type Unit = Schemas['Unit'];
export type User = Schemas['User'];
export type Why = Schemas['Why'];
export type WhyReading = Schemas['WhyReading'];
export type WhySentence = Schemas['WhySentence'];

/** Which figure of a meter is asked of, and which of its readings are listed. */
export interface WhyAsked {
  meter: string;
  from: string;
  to: string;
  figure: 'amount' | 'cost';
  offset: number;
  limit: number;
}

/** An answer that is none. `code` is the gateway's, or one of ours below. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 when the gateway was not reached at all. */
    readonly status: number,
    /** `unreachable` when nothing answered, `unreadable` when no JSON did. */
    readonly code: string,
    /** In the reader's language when it came from the gateway; else empty. */
    message: string,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later without anybody changing anything. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** On a weak Wi-Fi an answer that takes longer than this is better asked for again. */
const TIMEOUT_MS = 15_000;

let language = 'zh-CN';

/** Says in which language the gateway's messages shall come. */
export function speak(to: string): void {
  language = to;
}

async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Language': language };
  // No other site can set this header without our consent: that is the guard against
  // requests forged from a mail or another page.
  if (method !== 'GET') headers['X-Gengfu'] = '1';
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: 'same-origin',
      signal: stop.signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.ok) return text === '' ? null : parse(text, answer.status);
    const problem = parse(text, answer.status) as Partial<Schemas['Problem']>;
    throw new Problem(answer.status, problem.code ?? 'unreadable', problem.message ?? '');
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(0, 'unreachable', '');
  } finally {
    clearTimeout(timer);
  }
}

function parse(text: string, status: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Problem(status, 'unreadable', '');
  }
}

const get = <T>(path: string): Promise<T> => call('GET', path) as Promise<T>;
const name = encodeURIComponent;
const search = (query: object): string =>
  new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)])).toString();

export const api = {
  status: () => get<Status>('/status'),
  today: () => get<Today>('/today'),
  patrol: () => get<Patrol>('/patrol'),
  meters: () => get<Meters>('/meters'),
  meter: (id: string) => get<MeterDetail>(`/meters/${name(id)}`),
  meterDay: (id: string, date: string | null) =>
    get<MeterDay>(`/meters/${name(id)}/day${date === null ? '' : `?date=${name(date)}`}`),
  meterYear: (id: string, to: string | null) =>
    get<MeterYear>(`/meters/${name(id)}/year${to === null ? '' : `?to=${name(to)}`}`),
  why: (asked: WhyAsked) => get<Why>(`/why?${search(asked)}`),
  tileRows: (tile: Tile['key']) => get<TileRows>(`/today/rows?tile=${name(tile)}`),
  openFindings: () => get<Findings>('/findings?state=open&order=money'),
  closedFindings: (from: string) => get<Findings>(`/findings?${search({ state: 'closed', from })}`),
  findingsOf: (meter: string) => get<Findings>(`/findings?${search({ meter, order: 'money' })}`),
  detectors: (id: string) => get<Detectors>(`/meters/${name(id)}/detectors`),
  forecast: (id: string) => get<MonthForecast>(`/meters/${name(id)}/forecast`),
  preview: (asked: { detector: FindingKind; meter: string; from: string; to: string }) => get<Preview>(`/preview?${search(asked)}`),
  savings: (meter: string, from: string) => get<Savings>(`/savings?${search({ meter, from })}`),
  findingDays: (id: number) => get<FindingDays>(`/findings/${id}/days`),
  finding: (id: number) => get<FindingDetail>(`/findings/${id}`),
  month: (month: string) => get<Month>(`/months/${name(month)}`),
  counts: (id: string, from: string, to: string) =>
    get<MeterCounts>(`/meters/${name(id)}/counts?${search({ from, to })}`),
  balance: (id: string, from: string, to: string, step: 'day' | 'month') =>
    get<MeterBalance>(`/meters/${name(id)}/balance?${search({ from, to, step })}`),
  events: (id: string) => get<MeterEvents>(`/meters/${name(id)}/events`),
  previewEvent: (id: string, event: EventRequest) =>
    call('POST', `/meters/${name(id)}/events/preview`, event) as Promise<EventPreview>,
  addEvent: (id: string, event: EventRequest) =>
    call('POST', `/meters/${name(id)}/events`, event) as Promise<MeterEvent>,
  undoEvent: (id: string, event: number) =>
    call('DELETE', `/meters/${name(id)}/events/${event}`) as Promise<MeterEvent>,
  switches: () => get<Switches>('/switches'),
  commands: (node: string) => get<Schemas['NodeCommands']>(`/nodes/${name(node)}/commands`),
  command: (node: string, command: CommandRequest) =>
    call('POST', `/nodes/${name(node)}/commands`, command) as Promise<CommandRow>,
  mails: () => get<Mails>('/mails?limit=100'),
  nodes: () => get<Nodes>('/nodes'),
  setUp: (who: Schemas['Credentials']) => call('POST', '/setup', who),
  logIn: (who: Schemas['Credentials']) => call('POST', '/session', who),
  logOut: () => call('DELETE', '/session'),
  mark: (finding: number, mark: MarkRequest) =>
    call('POST', `/findings/${finding}/mark`, mark) as Promise<FindingRow>,
  unmark: (finding: number) => call('DELETE', `/findings/${finding}/mark`) as Promise<FindingRow>,
  sendReport: (month: string, to: string[]) => call('POST', `/reports/${name(month)}/send`, { to }),
};

/** Where the browser fetches the workbook of a month. */
export const reportPath = (month: string): string => `/api/v1/reports/${name(month)}.xlsx`;

/** Where the live stream is. */
export const livePath = '/api/v1/live';
