// Which page a URL is. Every view has one, so that it can be sent to a colleague.

import { reactive } from 'vue';

export type Page =
  | 'today'
  | 'patrol'
  | 'findings'
  | 'finding'
  | 'meters'
  | 'meter'
  | 'events'
  | 'swap'
  | 'correct'
  | 'why'
  | 'complete'
  | 'month'
  | 'mails'
  | 'preview'
  | 'savings'
  | 'more'
  | 'login'
  | 'setup'
  | 'unknown';

export interface Place {
  page: Page;
  /** The meter of `/meters/:id…`, the number of `/findings/:id`, the month of `/month/:month`; else empty. */
  id: string;
  query: Record<string, string>;
}

/** Returns what a path and its query name. */
export function placeOf(path: string, search: string): Place {
  const query = Object.fromEntries(new URLSearchParams(search));
  const [first = '', second = '', ...rest] = path.split('/').filter((part) => part !== '');
  const alone = second === '' && rest.length === 0;
  const place = (page: Page, id = ''): Place => ({ page, id, query });
  if (first === '') return place('today');
  if (first === 'meters' && second !== '' && rest.length === 0) {
    const id = decoded(second);
    return id === null ? place('unknown') : place('meter', id);
  }
  if (first === 'findings' && /^\d{1,15}$/.test(second) && rest.length === 0) return place('finding', second);
  const [third = '', ...more] = rest;
  const parts: Page[] = ['events', 'swap', 'correct'];
  const part = parts.find((known) => known === third);
  if (first === 'meters' && part !== undefined && more.length === 0) {
    const id = decoded(second);
    return id === null ? place('unknown') : place(part, id);
  }
  if (first === 'month' && /^(\d{4}-\d\d)?$/.test(second) && rest.length === 0) return place('month', second);
  const pages: Page[] = ['patrol', 'findings', 'meters', 'why', 'complete', 'mails', 'preview', 'savings', 'more', 'login', 'setup'];
  const page = pages.find((known) => known === first);
  return page !== undefined && alone ? place(page) : place('unknown');
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** Returns the path of a meter's page, on a given day if one is given. */
export function meterPath(id: string, date?: string): string {
  return `/meters/${encodeURIComponent(id)}${date === undefined ? '' : `?date=${date}`}`;
}

/** Returns the path of a page about a meter. */
export const meterPartPath = (id: string, part: 'events' | 'swap' | 'correct'): string => `${meterPath(id)}/${part}`;

/** Returns a path of ours, or "/": a link must not lead elsewhere after the log-in. */
export function ownPath(path: string | undefined): string {
  return path !== undefined && /^\/(?![/\\])/.test(path) ? path : '/';
}

export const route = reactive<{ place: Place; path: string; hash: string }>({
  place: { page: 'today', id: '', query: {} },
  path: '/',
  hash: '',
});

function read(): void {
  route.place = placeOf(location.pathname, location.search);
  route.path = location.pathname + location.search + location.hash;
  route.hash = location.hash.slice(1);
}

/** Goes to a page of ours; `replace` leaves no step in the history (a filter, a day). */
export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  const before = route.place.page + route.place.id;
  read();
  if (before !== route.place.page + route.place.id) scrollTo(0, 0);
}

/** Turns clicks on links of ours into steps without a reload. */
function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (link === null || link.origin !== location.origin) return;
  if (link.target !== '' || link.hasAttribute('download')) return;
  if (link.pathname.startsWith('/api/') || link.getAttribute('href')?.startsWith('#') === true) return;
  event.preventDefault();
  go(link.pathname + link.search + link.hash);
}

/** Starts to follow the address bar and the links. */
export function startRouting(): void {
  read();
  addEventListener('popstate', read);
  addEventListener('hashchange', read);
  document.addEventListener('click', follow);
}
