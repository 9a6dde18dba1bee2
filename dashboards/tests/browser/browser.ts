// Debian's Chromium, driven by playwright-core. Nothing is downloaded.

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

/** The five pages that everybody sees, and the three at the gate. */
export const PATHS: Record<string, string> = {
  today: '/',
  patrol: '/patrol',
  meters: '/meters',
  meter: '/meters/light-2f-east',
  mails: '/mails',
  more: '/more',
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
  if (url.includes('/meters/')) await page.waitForFunction(() => document.querySelectorAll('.chart').length === 2 && [...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('canvas') !== null));
}
