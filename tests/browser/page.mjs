// Opens Chromium for a story, and watches what a page may not do.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../../dashboards/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What a page may take to show something: the machine has two cores and other work. */
export const PATIENCE_MS = 60_000;

/** Runs `tell` with a browser and ends it whatever happens. */
export async function withBrowser(tell) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
  try {
    return await tell(browser);
  } finally {
    await browser.close();
  }
}

/** Opens a page; `faults` collects requests to strangers, errors and what was logged as one. */
export async function openPage(context, url, faults) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (['http:', 'https:'].includes(asked.protocol) && asked.origin !== new URL(url).origin) {
      faults.push(`request to ${request.url()}`);
    }
  });
  page.on('pageerror', (error) => faults.push(`error on ${page.url()}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console on ${page.url()}: ${message.text()}`);
  });
  return page;
}

/** Logs in through the page, and returns once `next` is shown. */
export async function logIn(page, url, name, password, next) {
  await page.goto(`${url}/login?next=${encodeURIComponent(next)}`);
  await page.locator('input[name="name"]').fill(name);
  await page.locator('input[name="password"]').fill(password);
  await page.locator('button[type="submit"]').click();
  await page.waitForURL((at) => at.pathname === next);
}

/** How far a page is wider than its window, px. */
export function overhang(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}
