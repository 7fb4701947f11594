import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { z } from 'zod';
import { findChromium, launchChromium } from '../../deploy/chromium.ts';
import { buildDashboard } from '../../deploy/dashboard.ts';

/** A browser tab on the dashboard, which is watched for what it must not do. */
export interface Tab {
  page: Page;
  context: BrowserContext;
  /** Signs in at the door, and waits until the page is connected. */
  signIn(key: string): Promise<void>;
  /** Goes to another page of the dashboard, as its links do: without loading it anew. */
  go(path: string): Promise<void>;
  /** Marks the page; `isTheSame` tells whether it has been loaded anew since. */
  mark(): Promise<void>;
  isTheSame(): Promise<boolean>;
  /** Violations of accessibility rules, as `rule: elements`. */
  violations(): Promise<string[]>;
}

export interface TabOptions {
  url: string;
  width?: number;
  theme?: 'light' | 'dark';
}

const PATIENCE_MS = 15_000;

/**
 * A chapter of tests in a browser: one Chromium, the dashboard as it is now, and a tab for whoever asks. Where the machine has no
 * Chromium, its tests are skipped, and why is printed.
 */
export function describeInBrowser(name: string, body: (open: (options: TabOptions) => Promise<Tab>) => void): void {
  const isThere = findChromium() !== undefined;
  if (!isThere) process.stderr.write(`Skipped: ${name}: no Chromium (apt-get install chromium)\n`);
  describe.skipIf(!isThere)(name, { timeout: PATIENCE_MS * 4 }, () => {
    let browser: Browser | undefined;
    const tabs: { context: BrowserContext; faults: string[] }[] = [];
    beforeAll(async () => {
      await buildDashboard();
      browser = await launchChromium();
    }, PATIENCE_MS * 4);
    afterAll(async () => {
      await Promise.all(tabs.map(({ context }) => context.close()));
      await browser?.close();
      expect(tabs.flatMap(({ faults }) => faults)).toEqual([]);
    });
    body(async (options) => {
      if (browser === undefined) throw new Error('the browser did not start');
      const { tab, faults } = await openTab(browser, options);
      tabs.push({ context: tab.context, faults });
      return tab;
    });
  });
}

async function openTab(browser: Browser, { url, width = 1280, theme = 'light' }: TabOptions) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = watch(page, url);
  await page.goto(url);
  const tab: Tab = {
    page,
    context,
    async signIn(key) {
      await page.getByLabel('API key').fill(key);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('Live', { exact: true }).waitFor();
    },
    async go(path) {
      await page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)})`);
    },
    async mark() {
      await page.evaluate('void (window.sameSince = true)');
    },
    isTheSame: async () => (await page.evaluate('window.sameSince === true')) === true,
    violations: async () => violationsOn(page),
  };
  return { tab, faults };
}

/** A page may ask only its own server, keeps its key out of addresses, and breaks neither a rule of its policy nor anything else. */
function watch(page: Page, url: string): string[] {
  const faults: string[] = [];
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== url) faults.push(`asked ${request.url()}`);
    if (request.url().includes('kelpie_')) faults.push(`a key in the address ${request.url()}`);
  });
  page.on('websocket', (socket) => {
    if (socket.url() !== `${url.replace('http', 'ws')}/graphql`) faults.push(`opened ${socket.url()}`);
  });
  page.on('pageerror', (error) => faults.push(`threw ${error.message}`));
  page.on('console', (message) => {
    // That a server is away is no fault of the page's, and neither is a refusal that a test provokes.
    const isNetwork = /net::ERR_|WebSocket connection|status of [45]\d\d/.test(message.text());
    if (message.type() === 'error' && !isNetwork) faults.push(`said ${message.text()}`);
  });
  return faults;
}

const axeResults = z.object({
  violations: z.array(z.object({ id: z.string(), nodes: z.array(z.object({ html: z.string() })) })),
});

async function violationsOn(page: Page): Promise<string[]> {
  // By the debugger's way in: the page's policy lets no script of ours in.
  await page.evaluate(axe.source);
  const results = axeResults.parse(await page.evaluate('axe.run(document, { resultTypes: ["violations"] })'));
  return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`);
}
