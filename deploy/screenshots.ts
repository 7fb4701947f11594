import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Browser, type Page } from 'playwright-core';
import { messageOf } from '../lib/errors.ts';
import { demandNoWords } from '../lib/program-words.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { launchChromium } from './chromium.ts';
import { buildDashboard } from './dashboard.ts';
import { GROUP } from './local/agent.ts';
import { submitByRest } from './local/demo-jobs.ts';
import { type Stack, startStack } from './local/stack.ts';

/**
 * `npm run screenshots`: pictures of the dashboard for the README, into docs/images/. Everything in them is real: a server, agents, and
 * jobs, of which one loses its machine on the way.
 */
const IMAGES = join(import.meta.dirname, '../docs/images');
const SIZES = [
  { width: 1440, height: 900 },
  { width: 380, height: 760 },
];
const THEMES = ['light', 'dark'] as const;
/** A group whose machines come by a scaling rule, at most so many. */
const SCALED = 'batch';
const ROOM = 2;
/** How long a page may take to show what is awaited, in milliseconds. */
const PATIENCE_MS = 60_000;

demandNoWords(
  'Usage: npm run screenshots\n\nTakes pictures of the dashboard into docs/images/, by a server, agents and jobs of its own.\n',
);

const directory = await makeTemporaryDirectory('kelpie-screenshots-');
const parts = new AsyncDisposableStack();
parts.defer(() => rm(directory, { recursive: true, force: true }));
try {
  await buildDashboard();
  const stack = await startStack({ directory, agents: 2, room: ROOM, ports: { server: 4000, s3: 9000 } });
  parts.defer(() => stack.stop());
  const browser = await launchChromium();
  parts.defer(() => browser.close());
  const jobId = await stage(stack, browser);
  await mkdir(IMAGES, { recursive: true });
  for (const size of SIZES) {
    for (const theme of THEMES) await shoot(stack, browser, { ...size, theme, jobId });
  }
} catch (error) {
  process.stderr.write(`No screenshots: ${messageOf(error)}\n`);
  process.exitCode = 1;
} finally {
  await parts.disposeAsync();
}

/** @returns the job that has lost its machine, and goes on */
async function stage(stack: Stack, browser: Browser): Promise<string> {
  const page = await signedIn(stack, browser, { width: 1440, height: 900, theme: 'light' });
  const long = await submitByRest(stack, { name: 'estimate-pi', steps: 300, seed: 7, pauseMs: 350 });
  await submit(stack, { name: 'fold-protein-17', command: 'sh', arguments: ['-c', 'exit 3'], max_failures: 1 });
  for (let frame = 1; frame <= 8; frame++) {
    const labels = { project: 'film' };
    await submit(stack, { name: `render-frame-${frame}`, command: 'sleep', arguments: ['25'], labels });
  }
  await post(stack, '/scaling-rules', { container_group_id: SCALED, max_replicas: ROOM, idle_threshold_seconds: 60 });
  for (let part = 1; part <= 6; part++) {
    await submit(stack, {
      name: `batch-part-${part}`,
      command: 'sleep',
      arguments: ['40'],
      container_group_id: SCALED,
    });
  }
  await page.goto(`${stack.url}/app/jobs/${long.id}`);
  const sign = page.getByRole('img', { name: /running, .* (?:[5-9]|\d\d) checkpoints/ });
  const machine = / on (\S+):/.exec((await sign.getAttribute('aria-label')) ?? '')?.[1];
  await stack.agents.find(({ name }) => name === machine)?.kill();
  await page.getByRole('img', { name: /Attempt 2 on .*: running, .* (?:[3-9]|\d\d) checkpoints/ }).waitFor();
  await page.context().close();
  return long.id;
}

async function submit(stack: Stack, job: Record<string, unknown>): Promise<void> {
  await post(stack, '/jobs', { container_group_id: GROUP, ...job });
}

async function post({ url, key }: Stack, path: string, body: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': key },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
}

interface Look {
  width: number;
  height: number;
  theme: (typeof THEMES)[number];
}

async function shoot(stack: Stack, browser: Browser, look: Look & { jobId: string }): Promise<void> {
  const page = await signedIn(stack, browser, look);
  for (const [name, path, sign] of [
    ['overview', '/', 'Empty in about'],
    ['jobs', '/app/jobs', 'render-frame-8'],
    ['job', `/app/jobs/${look.jobId}`, 'Checkpoint saved'],
    ['agents', '/app/agents', 'cores'],
    ['scaling', '/app/scaling', 'wanted.'],
    ['submit', '/app/submit', 'Add a directory'],
    ['keys', '/app/keys', 'Keys in use'],
  ] as const) {
    await page.goto(`${stack.url}${path}`);
    await page.getByText(sign).first().waitFor();
    // Charts measure their place, and draw a moment later.
    await delay(500);
    await page.screenshot({ path: join(IMAGES, `${name}-${look.width}-${look.theme}.png`) });
  }
  await page.context().close();
  process.stdout.write(`${look.width} pixels, ${look.theme}\n`);
}

async function signedIn({ url, key }: Stack, browser: Browser, { width, height, theme }: Look): Promise<Page> {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Live', { exact: true }).waitFor();
  return page;
}
