import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect } from 'vitest';
import { z } from 'zod';
import { buildDashboard } from '../../deploy/dashboard.ts';
import { hasChromium, sharedChromium } from './chromium.ts';

/** A browser tab on the dashboard, which is watched for what it must not do. */
export interface Tab {
  page: Page;
  /** From then on it is so wide (pixels), and its system's setting is this. */
  look(theme: Theme, width: number): Promise<void>;
  /** Signs in at the door, and waits until the page is connected. */
  signIn(key: string): Promise<void>;
  /** Goes to another page of the dashboard, as its links do: without loading it anew. */
  go(path: string): Promise<void>;
  /** Marks the page; `isTheSame` tells whether it has been loaded anew since. */
  mark(): Promise<void>;
  isTheSame(): Promise<boolean>;
  /** Violations of accessibility rules, of all, of those that speak of colour, or of the others, as `rule: elements`. */
  violations(rules?: 'COLOUR' | 'OTHERS'): Promise<string[]>;
}

export type Theme = 'light' | 'dark';

const HEIGHT = 900;

export interface TabOptions {
  url: string;
  width?: number;
  theme?: Theme;
}

/** What is awaited comes at once on a machine that has nothing else to do. */
const PATIENCE_MS = 30_000;
/** A page that takes longer to be left than this is not used again. */
const LEAVE_MS = 5_000;

/**
 * A chapter of tests in a browser: the process's Chromium, the dashboard as it is now, and a tab for whoever asks. Where the machine has no Chromium, its tests are skipped, and why is printed.
 */
export function describeInBrowser(name: string, body: (open: (options: TabOptions) => Promise<Tab>) => void): void {
  describe.skipIf(!hasChromium(name))(name, { timeout: PATIENCE_MS * 4 }, () => {
    const used: { page: Page; faults: string[]; url: string }[] = [];
    beforeAll(async () => {
      await buildDashboard();
    }, PATIENCE_MS * 4);
    afterEach(async () => {
      const ended = used.splice(0);
      for (const { page, url } of ended) {
        if (await isEmptied(page, url)) idle.push(page);
      }
      expect(ended.flatMap(({ faults }) => faults)).toEqual([]);
    });
    body(async (options) => {
      const page = await emptyPage();
      const { tab, faults } = await openTab(page, options);
      used.push({ page, faults, url: options.url });
      return tab;
    });
  });
}

/**
 * Each new page starts two processes and compiles its scripts anew, which costs more than most tests: one that was used is used again,
 * with nothing left in it, by all the files that this process runs.
 */
const idle: Page[] = [];
let shared: { browser: Browser; context: Promise<BrowserContext> } | undefined;

async function emptyPage(): Promise<Page> {
  for (let page = idle.pop(); page !== undefined; page = idle.pop()) {
    if (!page.isClosed()) return page;
  }
  const browser = await sharedChromium();
  // In place of a browser that has crashed comes another one.
  if (shared?.browser !== browser) shared = { browser, context: newContext(browser) };
  return (await shared.context).newPage();
}

async function newContext(browser: Browser): Promise<BrowserContext> {
  // Each frame of a movement costs a processor, where there is no graphics card.
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

/** Leaves nothing of a test in a page. One that has crashed, or whose server is gone, is closed instead. */
async function isEmptied(page: Page, url: string): Promise<boolean> {
  page.removeAllListeners();
  try {
    // First the dashboard ends, which would go on asking its server, and may write what it keeps for the tab.
    await page.goto(`${url}/livez`, { timeout: LEAVE_MS });
    await page.evaluate('sessionStorage.clear()');
    return true;
  } catch {
    // Of a context that is gone there is nothing to close.
    await page.close().catch(() => undefined);
    return false;
  }
}

async function openTab(page: Page, { url, width = 1280, theme = 'light' }: TabOptions) {
  await lookAs(page, theme, width);
  const faults = watch(page, url);
  await page.goto(url);
  const tab: Tab = {
    page,
    look: async (...as) => lookAs(page, ...as),
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
    violations: async (rules) => violationsOn(page, rules),
  };
  return { tab, faults };
}

async function lookAs(page: Page, theme: Theme, width: number): Promise<void> {
  await page.setViewportSize({ width, height: HEIGHT });
  await page.emulateMedia({ colorScheme: theme });
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

const RULES_OF_COLOUR = ['color-contrast', 'link-in-text-block'];
const CHOICES = {
  COLOUR: { runOnly: RULES_OF_COLOUR },
  OTHERS: { rules: Object.fromEntries(RULES_OF_COLOUR.map((rule) => [rule, { enabled: false }])) },
};

async function violationsOn(page: Page, rules?: 'COLOUR' | 'OTHERS'): Promise<string[]> {
  // By the debugger's way in: the page's policy lets no script of ours in.
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source);
  // Without asking for each style sheet again.
  const options = { resultTypes: ['violations'], preload: false, ...(rules !== undefined && CHOICES[rules]) };
  const results = axeResults.parse(await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`));
  return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`);
}
