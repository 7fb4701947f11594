import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import type { Program } from '../deploy/local/program.ts';
import { GROUP, isRegistered, spawnAgent } from '../deploy/local/agent.ts';
import { startStack, type Stack } from '../deploy/local/stack.ts';
import { openLink, type Link } from '../tests/chaos/proxy.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { quantile, rounded, say } from './support/stats.ts';

/**
 * How long from a fault until the command runs again elsewhere, with an idle agent waiting, at the default settings: SIGKILL of the
 * working agent's machine, SIGTERM of its agent, its network cut without a closing packet; and from a cancel until the command has the
 * signal. The whole product runs as processes; each agent reaches the server through a proxy of its own. The commands write down the
 * time at which they start, by the same machine's clock as ours.
 */
const ROUNDS = { kill: 12, term: 12, cut: 8, cancel: 20 };

interface Machine {
  name: string;
  program: Program;
  link: Link;
}

interface Bench {
  stack: Stack;
  directory: string;
  machines: Map<string, Machine>;
  born: number;
}

export const recovery = benchmark(
  'How long from a fault until the command runs again elsewhere, and from a cancel until it has the signal?',
  {},
  measure,
);

async function measure(): Promise<Figures> {
  const directory = await makeTemporaryDirectory('kelpie-recovery-');
  const stack = await startStack({ directory, agents: 0, ports: { server: 4000, s3: 9000 } });
  const bench: Bench = { stack, directory, machines: new Map(), born: 0 };
  try {
    await addMachine(bench);
    await addMachine(bench);
    const kill = await rounds(bench, ROUNDS.kill, 'SIGKILL', async (machine) => remove(bench, machine));
    const term = await rounds(bench, ROUNDS.term, 'SIGTERM', async (machine) => {
      bench.machines.delete(machine.name);
      void machine.program.stop().then(() => machine.link.close());
    });
    const cut = await rounds(bench, ROUNDS.cut, 'network cut', async (machine) => machine.link.set({ is: 'HELD' }));
    const cancel = await cancels(bench);
    return report({ kill, term, cut, cancel });
  } finally {
    for (const machine of bench.machines.values()) await remove(bench, machine);
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** @returns milliseconds from each fault to the next start of the command */
async function rounds(
  bench: Bench,
  count: number,
  name: string,
  fault: (machine: Machine) => Promise<void>,
): Promise<number[]> {
  const found: number[] = [];
  for (let round = 0; round < count; round++) {
    const file = join(bench.directory, `${name}-${round}`);
    const id = await submit(bench, `date +%s%N >> "${file}"; exec sleep 600`);
    await until(() => stamps(file).length === 1);
    const machine = await holder(bench, id);
    const at = Date.now();
    await fault(machine);
    await until(() => stamps(file).length === 2);
    found.push(stamps(file)[1]! - at);
    await cancelJob(bench, id);
    if (bench.machines.has(machine.name)) await remove(bench, machine);
    await addMachine(bench);
  }
  say(`${name}: ${count} rounds`);
  return found;
}

/** @returns milliseconds from each cancel to the command's signal */
async function cancels(bench: Bench): Promise<number[]> {
  const found: number[] = [];
  for (let round = 0; round < ROUNDS.cancel; round++) {
    const file = join(bench.directory, `cancel-${round}`);
    const script = `trap 'date +%s%N >> ${file}; exit 1' TERM; date +%s%N >> ${file}; sleep 600 & wait`;
    const id = await submit(bench, script);
    await until(() => stamps(file).length === 1);
    const at = Date.now();
    await cancelJob(bench, id);
    await until(() => stamps(file).length === 2);
    found.push(stamps(file)[1]! - at);
  }
  say(`cancel: ${ROUNDS.cancel} rounds`);
  return found;
}

async function addMachine(bench: Bench): Promise<void> {
  const name = `machine-${++bench.born}`;
  const link = await openLink(() => Number(new URL(bench.stack.url).port));
  const at = { url: `http://127.0.0.1:${link.port}`, s3Url: bench.stack.s3Url, key: bench.stack.agentKey };
  const program = await spawnAgent(name, at, { directory: bench.directory });
  bench.machines.set(name, { name, program, link });
  await program.line(isRegistered);
}

async function remove(bench: Bench, machine: Machine): Promise<void> {
  bench.machines.delete(machine.name);
  await machine.program.kill();
  // What is held on the way would keep the line from being closed.
  machine.link.set({ is: 'OPEN' });
  await machine.link.close();
}

async function submit(bench: Bench, script: string): Promise<string> {
  const body = { command: 'sh', arguments: ['-c', script], container_group_id: GROUP };
  const job = (await rest(bench, 'POST', '/jobs', body)) as { id: string };
  return job.id;
}

async function holder(bench: Bench, id: string): Promise<Machine> {
  const job = (await rest(bench, 'GET', `/jobs/${id}`)) as { machine_id: string };
  const machine = bench.machines.get(job.machine_id);
  if (machine === undefined) throw new Error(`Job ${id} should run on a machine of ours, it runs on ${job.machine_id}`);
  return machine;
}

async function cancelJob(bench: Bench, id: string): Promise<void> {
  await rest(bench, 'DELETE', `/jobs/${id}`);
}

async function rest(bench: Bench, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${bench.stack.url}${path}`, {
    method,
    headers: { 'X-Kelpie-Key': bench.stack.key },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** Milliseconds since the epoch that a command has written down. */
function stamps(file: string): number[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => Number(BigInt(line) / 1_000n) / 1_000);
}

async function until(holds: () => boolean): Promise<void> {
  const limit = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > limit) throw new Error('What a round waits for did not happen within a minute');
    await new Promise((done) => setTimeout(done, 5));
  }
}

function report(found: Record<keyof typeof ROUNDS, number[]>): Record<string, unknown> {
  const seconds = (values: number[], share: number): number => rounded(quantile(values, share) / 1_000, 2);
  const figures = {
    kill_p50_s: seconds(found.kill, 0.5),
    kill_p95_s: seconds(found.kill, 0.95),
    term_p50_s: seconds(found.term, 0.5),
    term_p95_s: seconds(found.term, 0.95),
    cut_p50_s: seconds(found.cut, 0.5),
    cut_p95_s: seconds(found.cut, 0.95),
    cancel_p50_ms: rounded(quantile(found.cancel, 0.5)),
    cancel_p95_ms: rounded(quantile(found.cancel, 0.95)),
    n: ROUNDS,
  };
  say(`SIGKILL → running elsewhere      p50 ${figures.kill_p50_s} s, p95 ${figures.kill_p95_s} s (n = ${ROUNDS.kill})`);
  say(`SIGTERM → running elsewhere      p50 ${figures.term_p50_s} s, p95 ${figures.term_p95_s} s (n = ${ROUNDS.term})`);
  say(`network cut → running elsewhere  p50 ${figures.cut_p50_s} s, p95 ${figures.cut_p95_s} s (n = ${ROUNDS.cut})`);
  say(
    `cancel → command signalled       p50 ${figures.cancel_p50_ms} ms, p95 ${figures.cancel_p95_ms} ms (n = ${ROUNDS.cancel})`,
  );
  return figures;
}
