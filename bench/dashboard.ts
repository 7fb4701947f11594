import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { parseInput } from '../core/input.ts';
import { jobSpecWithoutPatterns } from '../core/jobs/spec.ts';
import { submitJobs } from '../core/jobs/submit.ts';
import { claimJob } from '../core/leases/claim.ts';
import { finishAttempt } from '../core/leases/finish.ts';
import { heartbeat } from '../core/leases/renew.ts';
import type { LeaseRef } from '../core/leases/terms.ts';
import { launchChromium } from '../deploy/chromium.ts';
import { buildDashboard, firstLoad } from '../deploy/dashboard.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { insertWaiting } from './support/backlog.ts';
import { costOf, fpsOf, type Frames, framesOf } from './support/frames.ts';
import { openOwned, type Owned, startServer } from './support/owned.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { median, quantile, rounded, say } from './support/stats.ts';

/**
 * How many frames a second does the list of jobs draw while it is scrolled through, with 10,000 jobs in it and 50 changes a second? The
 * built dashboard in the machine's Chromium, on a server of its own process; frames are counted by the page itself, between calls of
 * requestAnimationFrame. An empty page that scrolls in the same browser, with the same load beside it, is the ceiling; both by turns.
 */
const JOBS = 10_000;
const RUNNING = 100;
const CHANGES_PER_S = 50;
/** Most changes are progress; but each so many-th time one job completes, one is submitted, and one is claimed. */
const TURNS_PER_LIFE = 23;
const WRITERS = 5;
const ROUNDS = 3;
const SECONDS = 20;
const EMPTY_SECONDS = 8;
const LIVE_GROUP = 'live';
/** How long a page may take to show what is awaited, in milliseconds. */
const PATIENCE_MS = 120_000;

interface Bench extends Owned {
  url: string;
  databaseUrl: string;
}

export const dashboard = benchmark(
  'How many frames a second does the list of jobs draw while it is scrolled through, with 10,000 jobs and 50 changes a second?',
  {},
  measure,
);

async function measure(): Promise<Figures> {
  await buildDashboard();
  await using parts = new AsyncDisposableStack();
  const directory = await makeTemporaryDirectory('kelpie-bench-dashboard-');
  parts.defer(() => rm(directory, { recursive: true, force: true }));
  const postgres = await startBenchPostgres();
  parts.defer(() => postgres.stop());
  const bench = await open(await postgres.database('dashboard'), directory, parts);
  const browser = await launchChromium();
  parts.defer(() => browser.close());
  const changes = changing(bench, await prepare(bench));
  // What went wrong with the changes is told below; here it is only made sure that they are over.
  parts.defer(async () => {
    await changes.stop().catch(() => undefined);
  });

  const rounds = [];
  for (let turn = 1; turn <= ROUNDS; turn++) {
    const empty = await emptyPage(browser);
    const told = changes.count();
    const shown = await jobList(browser, bench);
    rounds.push({ empty, ...shown });
    say(`round ${turn}: ${told} changes so far; ${fpsOf(shown.frames)} frames a second, empty page ${fpsOf(empty)}`);
  }
  const perSecond = await changes.stop();
  return report(rounds, perSecond, await firstLoad());
}

async function open(databaseUrl: string, directory: string, parts: AsyncDisposableStack): Promise<Bench> {
  const owned = await openOwned(databaseUrl);
  parts.defer(() => owned.core.close());
  const { server, url } = await startServer(databaseUrl, directory);
  parts.defer(() => server.stop());
  return { ...owned, databaseUrl, url };
}

/** @returns the leases of those that run, which are the newest, and so the first in the list */
async function prepare(bench: Bench): Promise<LeaseRef[]> {
  say(`Preparing ${JOBS} jobs, of which ${RUNNING} run`);
  await insertWaiting({ url: bench.databaseUrl, viewer: bench.viewer }, JOBS - RUNNING);
  await submit(bench, RUNNING);
  const leases: LeaseRef[] = [];
  while (leases.length < RUNNING) leases.push(await claim(bench));
  await sql(bench.databaseUrl, 'vacuum analyze');
  return leases;
}

async function submit({ core, viewer }: Bench, count: number): Promise<void> {
  const given = { command: 'python', arguments: ['train.py'], containerGroupId: LIVE_GROUP, heartbeatInterval: 3_600 };
  const specs = Array.from({ length: count }, () =>
    parseInput(jobSpecWithoutPatterns, { ...given, name: 'a job that runs' }),
  );
  await submitJobs(core, viewer, specs);
}

async function claim({ core, viewer }: Bench): Promise<LeaseRef> {
  // A claim passes over the job that another one is just taking, and may have begun before the next one was submitted.
  for (let turn = 0; turn < 10; turn++) {
    const job = await claimJob(core, viewer, { machineId: 'machine', containerGroupId: LIVE_GROUP, agentId: null });
    if (job !== undefined) return { jobId: job.id, attempt: job.attemptNumber };
  }
  throw new Error('A queue with jobs in it gave none');
}

/** Changes jobs at a steady rate until it is stopped, which tells how many a second that were. */
function changing(bench: Bench, leases: LeaseRef[]): { count(): number; stop(): Promise<number> } {
  const began = performance.now();
  let count = 0;
  let isOver = false;
  // Several at a time, each with jobs of its own: one alone would wait for the disk at each change.
  const work = async (own: LeaseRef[]): Promise<void> => {
    for (let turn = 0, changes = 0; !isOver; turn++) {
      const late = began + (changes / (CHANGES_PER_S / WRITERS)) * 1_000 - performance.now();
      if (late > 0) await delay(late);
      const made = turn % TURNS_PER_LIFE === 0 ? await live(bench, own) : await progress(bench, own, turn);
      changes += made;
      count += made;
    }
  };
  const part = leases.length / WRITERS;
  const run = Promise.all(
    Array.from({ length: WRITERS }, (_, index) => work(leases.slice(index * part, (index + 1) * part))),
  );
  // Told by `stop`.
  run.catch(() => undefined);
  return {
    count: () => count,
    async stop() {
      isOver = true;
      const seconds = (performance.now() - began) / 1_000;
      await run;
      return count / seconds;
    },
  };
}

/** Three changes: the oldest of those that run completes, and another job is submitted, and takes its place. */
async function live(bench: Bench, leases: LeaseRef[]): Promise<number> {
  const oldest = leases.shift();
  if (oldest === undefined) throw new Error('Expected a job that runs');
  await finishAttempt(bench.core, bench.viewer, oldest, { outcome: 'COMPLETED', reason: null });
  await submit(bench, 1);
  leases.push(await claim(bench));
  return 3;
}

async function progress({ core, viewer }: Bench, leases: LeaseRef[], turn: number): Promise<number> {
  const lease = leases[turn % leases.length];
  if (lease === undefined) throw new Error('Expected a job that runs');
  const said = { fraction: (turn % 1_000) / 1_000, message: `step ${turn}`, metrics: null };
  await heartbeat(core, viewer, lease, { phase: 'RUNNING', progress: said });
  return 1;
}

async function emptyPage(browser: Browser): Promise<Frames> {
  const context = await contextOf(browser);
  try {
    const page = await context.newPage();
    await page.setContent('<body style="height: 600000px">');
    return await framesOf(page, EMPTY_SECONDS);
  } finally {
    await context.close();
  }
}

async function jobList(browser: Browser, bench: Bench): Promise<{ frames: Frames; rows: number; heapBytes: number }> {
  const context = await contextOf(browser);
  try {
    const page = await context.newPage();
    await page.goto(`${bench.url}/app/jobs`);
    await page.getByLabel('API key').fill(bench.key);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('jobs, newest first').waitFor();
    const table = page.getByRole('table', { name: 'Jobs' });
    // Older ones are loaded as they are come to.
    for (let rows = 0; rows < JOBS;) {
      await page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
      await delay(100);
      rows = Number(await table.getAttribute('aria-rowcount')) - 1;
    }
    await page.evaluate('window.scrollTo(0, 0)');
    const frames = await framesOf(page, SECONDS);
    const rows = Number(await table.getAttribute('aria-rowcount')) - 1;
    await demandNews(page, bench);
    return { frames, rows, heapBytes: Number(await page.evaluate('performance.memory.usedJSHeapSize')) };
  } finally {
    await context.close();
  }
}

/** What is measured must be what it is said to be: a job that is submitted now stands in the first row. */
async function demandNews(page: Page, { core, viewer }: Bench): Promise<void> {
  await page.evaluate('window.scrollTo(0, 0)');
  const name = `seen at ${Date.now()}`;
  await submitJobs(core, viewer, [
    parseInput(jobSpecWithoutPatterns, { command: 'true', containerGroupId: 'seen', name }),
  ]);
  await page.getByRole('row').filter({ hasText: name }).waitFor();
}

async function contextOf(browser: Browser): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

function report(
  rounds: { empty: Frames; frames: Frames; rows: number; heapBytes: number }[],
  perSecond: number,
  { gzipBytes }: { gzipBytes: number },
): Record<string, unknown> {
  const deltas = rounds.flatMap(({ frames }) => frames.deltas);
  const longTasks = rounds.flatMap(({ frames }) => frames.longTasks);
  const figures = {
    fps: median(rounds.map(({ frames }) => fpsOf(frames))),
    fps_p5: rounded(1_000 / quantile(deltas, 0.95)),
    fps_low_1: rounded(1_000 / quantile(deltas, 0.99)),
    ceiling_fps: median(rounds.map(({ empty }) => fpsOf(empty))),
    ceiling_fps_p5: rounded(
      1_000 /
        quantile(
          rounds.flatMap(({ empty }) => empty.deltas),
          0.95,
        ),
    ),
    frame_ms: median(rounds.map(({ frames }) => costOf(frames))),
    ceiling_frame_ms: median(rounds.map(({ empty }) => costOf(empty))),
    long_tasks: longTasks.length,
    longest_task_ms: rounded(Math.max(0, ...longTasks), 0),
    rows: Math.min(...rounds.map(({ rows }) => rows)),
    updates_per_s: rounded(perSecond),
    heap_mib: rounded(Math.max(...rounds.map(({ heapBytes }) => heapBytes)) / 2 ** 20),
    script_kb: rounded(gzipBytes / 1_000),
    rounds: rounds.map(({ frames }) => fpsOf(frames)),
  };
  say(`${figures.rows} rows, ${figures.updates_per_s} changes a second, scrolled for ${ROUNDS} × ${SECONDS} s:`);
  say(
    `  frames a second        ${figures.fps} (5 % of frames below ${figures.fps_p5}, 1 % below ${figures.fps_low_1})`,
  );
  say(`  of an empty page       ${figures.ceiling_fps} (5 % of frames below ${figures.ceiling_fps_p5})`);
  say(
    `  computed for a frame   ${figures.frame_ms} ms on the page's own thread, ${figures.ceiling_frame_ms} ms on the empty page's`,
  );
  say(
    `  tasks over 50 ms       ${figures.long_tasks}, the longest ${figures.longest_task_ms} ms; heap ${figures.heap_mib} MiB`,
  );
  say(`  script on first load   ${figures.script_kb} kB compressed`);
  return figures;
}
