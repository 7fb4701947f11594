import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { buildExecutable } from '../deploy/agent/executable.ts';
import { GROUP } from '../deploy/local/agent.ts';
import { startStack, type Stack } from '../deploy/local/stack.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { startProgram, type TestProgram } from '../tests/support/program.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { number } from './support/flags.ts';
import { median, rounded, say } from './support/stats.ts';

/**
 * What does the executable weigh, how long is it from its start until it has its first job, and how much memory does it hold when it
 * waits for work, beside the same agent that Node runs from its sources? In turn, each time a fresh process; the job waits already.
 * Where we are root the executable is also started as process 1 of a namespace, as in a container, where it makes itself an init first.
 */
const MIB = 2 ** 20;
/** After its job an agent still puts things away; what it holds then, it holds. */
const SETTLED_MS = 3000;

interface Kind {
  name: string;
  command: [string, ...string[]];
  /** Whether the process that is started is the agent itself. */
  isAgent: boolean;
}

interface Sample {
  startMs: number;
  /** Bytes, resident, and those of them that no file backs. */
  memory?: { resident: number; own: number };
}

export const agent = benchmark(
  'How large is the executable, how soon has it its first job, and how much memory does it hold, beside Node with the sources?',
  {
    rounds: number('how often each is started', 10, { whole: true, min: 1, max: 1_000 }),
  },
  compare,
);

async function compare({ rounds }: { rounds: number }): Promise<Figures> {
  const directory = await makeTemporaryDirectory('kelpie-agent-');
  try {
    const { path } = await buildExecutable(join(directory, 'dist'));
    const stack = await startStack({ directory, agents: 0, ports: { server: 4000, s3: 9000 } });
    try {
      const kinds = kindsOf(path);
      const samples = new Map<Kind, Sample[]>(kinds.map((kind) => [kind, []]));
      say(`Starting each ${rounds} times, in turn`);
      // The first round brings the files into memory, and does not count.
      for (let round = -1; round < rounds; round++) {
        for (const kind of kinds) {
          const sample = await measure(stack, kind, join(directory, `${kind.name}-${round}`));
          if (round >= 0) samples.get(kind)?.push(sample);
        }
      }
      return report(await sizesOf(path), samples);
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function kindsOf(executable: string): Kind[] {
  const kinds: Kind[] = [
    { name: 'executable', command: [executable], isAgent: true },
    { name: 'sources', command: [process.execPath, join(import.meta.dirname, '../agent/main.ts')], isAgent: true },
  ];
  if (process.getuid?.() !== 0) return kinds;
  const alone: [string, ...string[]] = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', executable];
  return [...kinds, { name: 'process-1', command: alone, isAgent: false }];
}

/** One agent, from its start to the end of its first job, and a while longer. */
async function measure(stack: Stack, { command, isAgent }: Kind, workingDirectory: string): Promise<Sample> {
  await submit(stack);
  await mkdir(workingDirectory);
  const [file, ...words] = command;
  const began = performance.now();
  const program = startProgram(file, words, { workingDirectory, environment: environmentFor(stack) });
  try {
    await program.line((line) => line.includes('"msg":"Attempt begins"'));
    const startMs = performance.now() - began;
    await program.line((line) => line.includes('"msg":"There is no work"'));
    if (!isAgent) return { startMs };
    await delay(SETTLED_MS);
    return { startMs, memory: await memoryOf(program) };
  } finally {
    await program.vanish();
  }
}

async function submit(stack: Stack): Promise<void> {
  const response = await fetch(`${stack.url}/jobs`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': stack.key },
    body: JSON.stringify({ command: 'true', container_group_id: GROUP }),
  });
  if (response.status !== 202) throw new Error(`POST /jobs answered ${response.status}: ${await response.text()}`);
}

function environmentFor(stack: Stack): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    KELPIE_API_URL: stack.url,
    KELPIE_API_KEY: stack.agentKey,
    KELPIE_LOG_LEVEL: 'debug',
    SALAD_MACHINE_ID: 'machine',
    SALAD_CONTAINER_GROUP_ID: GROUP,
    SALAD_METADATA_URL: 'none',
    AWS_ENDPOINT_URL: stack.s3Url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
}

async function memoryOf({ pid }: TestProgram): Promise<{ resident: number; own: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  return { resident: bytes('VmRSS'), own: bytes('RssAnon') };
}

async function sizesOf(path: string): Promise<{ plain: number; compressed: number }> {
  let compressed = 0;
  for await (const chunk of createReadStream(path).pipe(createGzip())) compressed += (chunk as Buffer).length;
  return { plain: (await stat(path)).size, compressed };
}

function report(
  { plain, compressed }: { plain: number; compressed: number },
  samples: ReadonlyMap<Kind, Sample[]>,
): Record<string, unknown> {
  const size = { size_mib: rounded(plain / MIB), gzipped_mib: rounded(compressed / MIB) };
  say(`the executable                    ${size.size_mib} MiB, ${size.gzipped_mib} MiB with gzip`);
  const each = [...samples].map(([{ name }, ofKind]) => {
    const start_ms = rounded(median(ofKind.map(({ startMs }) => startMs)));
    const memories = ofKind.flatMap(({ memory }) => memory ?? []);
    const memory =
      memories.length === 0
        ? {}
        : {
            idle_rss_mib: rounded(median(memories.map(({ resident }) => resident)) / MIB),
            idle_anonymous_mib: rounded(median(memories.map(({ own }) => own)) / MIB),
          };
    say(
      `${name.padEnd(12)} start → first claim  p50 ${start_ms} ms; idle ${JSON.stringify(memory)} (n = ${ofKind.length})`,
    );
    return { name, start_ms, ...memory, n: ofKind.length };
  });
  const [executable, sources, processOne] = each;
  return { ...size, ...executable, sources, ...(processOne === undefined ? {} : { process_1: processOne }) };
}
