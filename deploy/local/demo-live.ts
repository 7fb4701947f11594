import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { DemoJob } from './demo-jobs.ts';
import type { Stack } from './stack.ts';

/** What happened while the jobs ran. Times in milliseconds. */
export interface Story {
  attempts: number;
  stepAtKill: number;
  noticedMs: number;
  resumedMs: number;
  heartbeatInterval: number;
}

const State = z.object({
  status: z.enum(['PENDING', 'RUNNING', 'COMPLETED', 'CANCELED', 'FAILED']),
  statusReason: z.string().nullable(),
  heartbeatInterval: z.number(),
  progress: z
    .object({ fraction: z.number().nullable(), metrics: z.object({ step: z.number().optional() }).nullable() })
    .nullable(),
  attempt: z.object({ number: z.number(), machineId: z.string(), phase: z.string().nullable() }).nullable(),
});
type State = z.output<typeof State>;

const FOLLOW = `subscription Follow($id: ID!) {
  jobUpdated(id: $id) {
    status statusReason heartbeatInterval
    progress { fraction metrics }
    attempt { number machineId phase }
  }
}`;

interface Watching {
  /** The job whose machine vanishes, when this share of it is done. */
  victim: DemoJob;
  killAt: number;
  say: (line: string) => void;
}

/** Follows the jobs by subscription until both have completed, and kills one's machine on the way. */
export async function watchJobs(stack: Stack, jobs: DemoJob[], watching: Watching): Promise<Story> {
  const client = createClient({
    url: `${stack.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-Kelpie-Key': stack.key },
  });
  const story = { attempts: 0, stepAtKill: 0, noticedMs: 0, resumedMs: 0, heartbeatInterval: 0 };
  const picture = createPicture(jobs, watching.say);
  const fate = createFate(stack, watching, story);
  try {
    await Promise.all(
      jobs.map(async (job) => {
        for await (const { data, errors } of client.iterate({ query: FOLLOW, variables: { id: job.id } })) {
          if (errors) throw new Error(errors.map(({ message }) => message).join('; '));
          const { jobUpdated: state } = z.object({ jobUpdated: State }).parse(data);
          picture.update(job, state);
          if (job === watching.victim) await fate(state);
          if (state.status === 'COMPLETED') return;
          if (state.status !== 'PENDING' && state.status !== 'RUNNING') {
            throw new Error(`"${job.name}" should complete, it ended as ${state.status}: ${state.statusReason ?? ''}`);
          }
        }
      }),
    );
  } finally {
    picture.end();
    await client.dispose();
  }
  return story;
}

/** Kills the machine at its time, and takes down when that was noticed and made good. */
function createFate(stack: Stack, { victim, killAt, say }: Watching, story: Story): (state: State) => Promise<void> {
  let killedAt: number | undefined;
  let noticedAt: number | undefined;
  return async (state) => {
    const { attempt } = state;
    story.attempts = attempt?.number ?? 0;
    story.heartbeatInterval = state.heartbeatInterval;
    // In any other phase the progress is that of downloads or uploads.
    const done = attempt?.phase === 'RUNNING' ? (state.progress?.fraction ?? 0) : 0;
    if (killedAt === undefined && attempt !== null && done >= killAt) {
      story.stepAtKill = state.progress?.metrics?.step ?? 0;
      say(`  ✗ SIGKILL for ${attempt.machineId}, which runs "${victim.name}": the machine has vanished`);
      await stack.agents.find(({ name }) => name === attempt.machineId)?.kill();
      killedAt = performance.now();
    }
    // States are coalesced to the latest: on a busy machine the moment in between may not be seen.
    const isSecond = attempt !== null && attempt.number > 1;
    if (killedAt !== undefined && noticedAt === undefined && (state.status === 'PENDING' || isSecond)) {
      noticedAt = performance.now();
      story.noticedMs = noticedAt - killedAt;
      say(`  ! ${state.statusReason ?? 'pending again'}`);
    }
    const runs = attempt?.phase === 'RUNNING' || attempt?.phase === 'UPLOADING' || state.status === 'COMPLETED';
    if (noticedAt !== undefined && story.resumedMs === 0 && isSecond && runs) {
      story.resumedMs = performance.now() - noticedAt;
      say(`  ✓ ${attempt.machineId} goes on with "${victim.name}" from the checkpoint in the bucket`);
    }
  };
}

/** A bar per job where there is a terminal, a line per step of importance where not. */
function createPicture(jobs: DemoJob[], say: (line: string) => void) {
  const lines = new Map<DemoJob, string>();
  return {
    update(job: DemoJob, state: State): void {
      const fraction = state.status === 'COMPLETED' ? 1 : (state.progress?.fraction ?? 0);
      const attempt = state.status === 'PENDING' ? null : state.attempt;
      const where = attempt === null ? '' : `attempt ${attempt.number} on ${attempt.machineId}`;
      const phase = state.status === 'RUNNING' ? (state.attempt?.phase?.toLowerCase() ?? '') : '';
      // A tenth at a time: a log of forty lines tells no more.
      const shown = Math.floor(fraction * 10) / 10;
      const line =
        `  ${job.name.padEnd(6)} ${bar(shown)} ${state.status.toLowerCase().padEnd(9)} ${where} ${phase}`.trimEnd();
      if (lines.get(job) === line) return;
      lines.set(job, line);
      say(line);
    },
    end(): void {
      lines.clear();
    },
  };
}

function bar(fraction: number): string {
  const full = Math.round(fraction * 20);
  return `[${'█'.repeat(full)}${'·'.repeat(20 - full)}] ${String(Math.round(fraction * 100)).padStart(3)} %`;
}
