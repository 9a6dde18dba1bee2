// Debian's Chromium, driven by playwright-core. Nothing is downloaded.

import assert from 'node:assert/strict';
import AxeBuilder from '@axe-core/playwright';
import { chromium, type Browser, type Page } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP gateway.lan 127.0.0.1',
];

export type Language = 'zh-CN' | 'en';
export type Theme = 'light' | 'dark';

export interface Reader {
  width: number;
  language: Language;
  theme: Theme;
  size?: 'standard' | 'large' | 'largest';
}

export const PHONE = 360;
export const PC = 1440;

/** The pages that everybody sees, those behind a number, and the log-in. */
export const PATHS: Record<string, string> = {
  today: '/',
  patrol: '/patrol',
  findings: '/findings',
  finding: '/findings/21',
  finding_lights: '/findings/12',
  finding_meter: '/findings/24',
  preview: '/preview?meter=light-2f-east',
  savings: '/savings?meter=office-main',
  meters: '/meters',
  meter: '/meters/light-2f-east',
  mails: '/mails',
  more: '/more',
  why: '/why?meter=light-2f-east&from=2026-11-23T00:00:00%2B08:00&to=2026-11-24T00:00:00%2B08:00',
  why_cost: '/why?tile=cost_today',
  why_finding: '/why?finding=12',
  complete: '/complete',
  events: '/meters/light-2f-east/events',
  swap: '/meters/light-2f-east/swap',
  correct: '/meters/light-2f-east/correct',
  balance: '/meters/office-main',
  month: '/month/2026-11',
  login: '/login',
};

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: FLAGS });
}

/** Opens a page as this reader sees it; every failed promise and broken policy is kept in `faults`. */
export async function open(browser: Browser, origin: string, reader: Reader): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext({
    viewport: { width: reader.width, height: reader.width === PHONE ? 740 : 900 },
    locale: reader.language,
    colorScheme: reader.theme,
    // A phone abroad: the site's clock must be shown all the same.
    timezoneId: 'America/New_York',
    reducedMotion: 'reduce',
    hasTouch: reader.width === PHONE,
    deviceScaleFactor: reader.width === PHONE ? 2 : 1,
  });
  const faults: string[] = [];
  if (reader.size !== undefined) {
    await context.addInitScript(
      ([size]) => {
        // A mail's frame has no storage of its own.
        if (window.origin !== 'null') localStorage.setItem('gengfu.size', size);
      },
      [reader.size] as const,
    );
  }
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // The sandbox of a mail says so when it stops a script; that is its job.
    if (message.type() === 'error' && !message.text().includes('sandboxed')) faults.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:') && !request.url().startsWith('about:')) {
      faults.push(`asked elsewhere: ${request.url()}`);
    }
  });
  return { page, faults };
}

/** Goes to a path and waits until the page has what it shows. */
export async function visit(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator('h1').first().waitFor();
  await page.waitForFunction(() => document.querySelector('.waiting') === null);
  if (/\/findings\/\d+$/.test(url)) await page.waitForFunction(() => document.querySelector('.chart canvas') !== null);
  if (/\/meters\/[^/]+$/.test(url)) await page.waitForFunction(() => document.querySelectorAll('.chart').length === 2 && [...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('canvas') !== null));
}

export async function fits(page: Page, what: string): Promise<void> {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${what}: ${wide} px wider than the screen`);
}

export async function thumbs(page: Page, what: string): Promise<void> {
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('a, button, input, select, label')].flatMap((element) => {
      // A radio button lies under its label; a link within a table's text is text.
      if (element.closest('.choice, .table, .skip') !== null) return [];
      const box = element.getBoundingClientRect();
      // A tick is as large as the label it stands in; other fields are measured themselves.
      const ticked = element.querySelector('input[type="checkbox"]') !== null;
      if (element.matches('label > input[type="checkbox"]')) return [];
      if (box.width === 0 || (element.tagName === 'LABEL' && !ticked && element.querySelector('input, select, textarea') !== null)) return [];
      return box.height < 43.5 ? [`${element.outerHTML.slice(0, 80)} ${box.height}`] : [];
    }),
  );
  assert.deepEqual(small, [], what);
}

export async function accessible(page: Page, what: string): Promise<void> {
  // No script runs in a mail's frame, so axe would wait for it for ever; legacy mode stays outside.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().exclude('iframe').withTags(['wcag2a', 'wcag2aa', 'wcag21aa']).analyze();
  const told = violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary ?? ''}`).join(' | ')}`);
  assert.deepEqual(told, [], what);
}
