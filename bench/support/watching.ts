import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseInput } from '../../core/input.ts';
import { jobSpecWithoutPatterns } from '../../core/jobs/spec.ts';
import { submitJobs } from '../../core/jobs/submit.ts';
import type { Program } from '../../deploy/local/program.ts';
import type { Answer, Order, Report } from './followers.ts';
import { openOwned, type Owned, startServer } from './owned.ts';
import type { BenchPostgres } from './postgres.ts';

/** Connections of the core of this process, past the server. */
export const CONNECTIONS = 8;

/** Servers that tell, a core beside them that changes jobs, and processes of followers. */
export interface Bench extends Owned {
  servers: Program[];
  urls: string[];
  databaseUrl: string;
  databasePid: number;
  /** Ended with the bench. */
  children: Set<ChildProcess>;
  close(): Promise<void>;
}

export async function openBench(postgres: BenchPostgres, directory: string, servers: number): Promise<Bench> {
  const databaseUrl = await postgres.database('fanout');
  const owned = await openOwned(databaseUrl, { maxConnections: CONNECTIONS });
  const children = new Set<ChildProcess>();
  const bench: Bench = {
    ...{ ...owned, servers: [], urls: [], databaseUrl, databasePid: postgres.pid, children },
    async close() {
      for (const child of children) child.kill();
      await Promise.all(bench.servers.map((server) => server.stop()));
      await owned.core.close();
    },
  };
  try {
    for (let n = 1; n <= servers; n++) await addServer(bench, join(directory, `server-${n}`));
  } catch (error) {
    await bench.close();
    throw error;
  }
  return bench;
}

async function addServer(bench: Bench, directory: string): Promise<void> {
  await mkdir(directory);
  const { server, url } = await startServer(bench.databaseUrl, directory);
  bench.servers.push(server);
  bench.urls.push(url);
}

export async function submitted(bench: Bench, containerGroupId: string, count: number): Promise<string[]> {
  // No lease runs out meanwhile: nothing here takes an hour.
  const spec = parseInput(jobSpecWithoutPatterns, { command: 'true', containerGroupId, heartbeatInterval: 3_600 });
  const jobs = await submitJobs(bench.core, bench.viewer, Array<typeof spec>(count).fill(spec));
  return jobs.map(({ id }) => id);
}

/** A process with sockets that are let in. */
export async function openFollowers(
  { urls, key, children }: Bench,
  wanted: { jobIds: string[]; followers: number },
): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'followers.ts'));
  children.add(child);
  await ordered(child, { is: 'OPEN', urls, key, ...wanted });
  return child;
}

export async function closeFollowers({ children }: Bench, child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill();
  await ended;
  children.delete(child);
}

export async function reports(processes: ChildProcess[]): Promise<Report[]> {
  const answers = await all(processes, { is: 'REPORT' });
  return answers.flatMap((answer) => (answer.is === 'REPORT' ? answer.reports : []));
}

export async function all(processes: ChildProcess[], order: Order): Promise<Answer[]> {
  return Promise.all(processes.map((child) => ordered(child, order)));
}

async function ordered(child: ChildProcess, order: Order): Promise<Answer> {
  const over = new AbortController();
  const { signal } = over;
  const answered = once(child, 'message', { signal });
  const ended = once(child, 'exit', { signal });
  child.send(order);
  try {
    const [answer] = (await Promise.race([answered, ended])) as [Answer | number | null];
    if (answer !== null && typeof answer === 'object') return answer;
    throw new Error('A process of followers ended before it had done what it was told');
  } finally {
    over.abort();
    await Promise.allSettled([answered, ended]);
  }
}
