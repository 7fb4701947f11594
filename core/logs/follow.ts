import { Attempt, type AttemptOutcome } from '../../db/entities/attempt.ts';
import { statement } from '../../db/statement.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import type { KeyWatch } from '../accounts/key-watch.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { ForbiddenError, RateLimitedError } from '../errors.ts';
import type { Feed } from '../events/feed.ts';
import { findJob } from '../jobs/find.ts';
import { isTerminal } from '../jobs/states.ts';
import type { LogLine } from './lines.ts';
import { nextPart, tailLogs, type LogPart } from './read.ts';

const aheadStatement = statement<
  { job_ids: readonly string[]; attempts: readonly string[]; positions: readonly string[] },
  { number: number }
>('logs-ahead');

/** A key of its own account may hold up others by nothing but numbers. */
const MOST_PER_KEY = 100;

/** Where to begin. Without an attempt: with the newest. */
export interface LogStart {
  attempt?: number | undefined;
  /** Number of the first line wanted (0), */
  fromOffset?: number | undefined;
  /** or how many of the last lines there are now. */
  tail?: number | undefined;
}

/** Some lines of one attempt in a row. To go on after them, begin with `attempt` and `nextOffset`. */
export interface LogChunk {
  attempt: number;
  offset: number;
  nextOffset: number;
  lines: LogLine[];
}

/** Tells those who follow logs that there is more to read. Nothing is kept for them: each reads its next part when it is ready. */
export interface LogFollowers {
  /**
   * What a job's command has written and writes, over all attempts from the first one wanted, with a line where one ended and why.
   * Ends when the job has ended and everything was read. A slow reader costs nothing, and is told what is no longer there.
   * @throws RateLimitedError at once, when too many logs are followed by this key
   * @throws NotFoundError at the first step, and when the job is removed
   * @throws ForbiddenError also later, within seconds of the key's end
   */
  follow(viewer: Viewer, jobId: string, start: LogStart): AsyncGenerator<LogChunk, void, undefined>;
  /** Looks for news of all that is followed, in one statement, and wakes those who have some. */
  runOnce(): Promise<{ followed: number; woken: number }>;
}

interface Follower {
  keyId: string;
  jobId: string;
  attempt: number;
  /** Where the next chunk of the attempt begins, or a later one. */
  position: string;
  wake: Latest<true>;
  isKeyDead: boolean;
}

export function createLogFollowers(core: Core, feed: Feed, keys: KeyWatch): LogFollowers {
  const byJob = new Map<string, Set<Follower>>();
  const everyone = () => [...byJob.values()].flatMap((followers) => [...followers]);
  feed.listen(({ jobId }) => byJob.get(jobId)?.forEach(({ wake }) => wake.push(true)));

  async function* admitted(follower: Follower, viewer: Viewer, start: LogStart) {
    const followers = byJob.get(follower.jobId) ?? new Set();
    byJob.set(follower.jobId, followers.add(follower));
    const unwatch = keys.follow(viewer, () => {
      follower.isKeyDead = true;
      follower.wake.push(true);
    });
    try {
      yield* chunksOf(core, follower, viewer, start);
    } finally {
      unwatch();
      followers.delete(follower);
      if (followers.size === 0) byJob.delete(follower.jobId);
    }
  }

  return {
    follow(viewer, jobId, start) {
      const siblings = everyone().filter(({ keyId }) => keyId === viewer.keyId).length;
      if (siblings >= MOST_PER_KEY) {
        throw new RateLimitedError(
          `This key follows ${siblings} logs on this server already: end some of them first`,
          1,
        );
      }
      const wake = latest<true>();
      const place = { jobId: jobId.toLowerCase(), attempt: 0, position: '0' };
      const follower = { keyId: viewer.keyId, ...place, wake, isKeyDead: false };
      return readerOf(wake, admitted(follower, viewer, start));
    },
    async runOnce() {
      const all = everyone();
      if (all.length === 0) return { followed: 0, woken: 0 };
      const ahead = await withNews(core, all);
      for (const follower of ahead) follower.wake.push(true);
      return { followed: all.length, woken: ahead.length };
    },
  };
}

async function withNews(core: Core, followers: readonly Follower[]): Promise<Follower[]> {
  const rows = await aheadStatement(core.em.fork(), {
    job_ids: followers.map(({ jobId }) => jobId),
    attempts: followers.map(({ attempt }) => String(attempt)),
    positions: followers.map(({ position }) => position),
  });
  return rows.flatMap(({ number }) => followers[number - 1] ?? []);
}

/** How far a follower has read, besides what others need to know of it. */
interface Progress {
  offset: number;
  /** The outcome of the attempt that was told. It may still become another one (rule 3). */
  told: AttemptOutcome | null;
}

async function* chunksOf(
  core: Core,
  follower: Follower,
  viewer: Viewer,
  start: LogStart,
): AsyncGenerator<LogChunk, void, undefined> {
  let job = await findJob(core, viewer, follower.jobId);
  follower.attempt = start.attempt ?? Math.max(job.attemptNumber, 1);
  const progress: Progress = { offset: start.fromOffset ?? 0, told: null };
  const end = await tailLogs(core, viewer, job, { tail: start.tail ?? 0, attempt: follower.attempt });
  // A number that there is not yet means the end as well.
  if (start.tail !== undefined || progress.offset > end.nextOffset) {
    const tail = advance(follower, progress, end);
    if (tail.lines.length > 0) yield tail;
  }
  for (;;) {
    demandLiveKey(follower);
    // Its state is read before its lines: what has ended then writes nothing more, so the lines after that are all.
    const attempt = await core.em.fork().findOne(Attempt, { jobId: job.id, number: follower.attempt });
    if (attempt !== null) yield* newsOf(core, follower, progress, attempt);
    if (job.attemptNumber > follower.attempt) {
      Object.assign(follower, { attempt: follower.attempt + 1, position: '0' });
      Object.assign(progress, { offset: 0, told: null } satisfies Progress);
      continue;
    }
    if (isTerminal(job.status)) return;
    if ((await follower.wake.next()).done === true) return;
    job = await findJob(core, viewer, follower.jobId);
  }
}

async function* newsOf(core: Core, follower: Follower, progress: Progress, attempt: Attempt) {
  if (attempt.outcome === null && progress.told !== null) {
    progress.told = null;
    yield remark(attempt, progress, `Attempt ${attempt.number} is back`);
  }
  for (;;) {
    demandLiveKey(follower);
    const part = await nextPart(core, attempt, { offset: progress.offset, position: follower.position });
    if (part === undefined) break;
    yield advance(follower, progress, part);
  }
  if (attempt.outcome === progress.told) return;
  progress.told = attempt.outcome;
  yield remark(attempt, progress, howItEnded(attempt));
}

function demandLiveKey({ isKeyDead }: Follower): void {
  if (isKeyDead) throw new ForbiddenError('The key that follows this log was revoked or has expired');
}

function advance(follower: Follower, progress: Progress, part: LogPart): LogChunk {
  follower.position = part.nextPosition;
  progress.offset = part.nextOffset;
  const { lines, nextOffset } = part;
  return { attempt: follower.attempt, offset: lines[0]?.offset ?? nextOffset, nextOffset, lines };
}

function remark(attempt: Attempt, { offset }: Progress, text: string): LogChunk {
  const line = { attempt: attempt.number, offset, at: attempt.endedAt ?? new Date(), stream: 'KELPIE' as const, text };
  return { attempt: attempt.number, offset, nextOffset: offset, lines: [line] };
}

/** On one line; the last words of stderr, which a reason may hold, stand in the log itself. */
function howItEnded({ number, machineId, outcome, exitCode, signal, reason }: Attempt): string {
  const code = exitCode === null ? undefined : `exit code ${exitCode}`;
  const how = code ?? signal ?? reason?.split('\n', 1)[0];
  return `Attempt ${number} on machine ${machineId} ended: ${outcome}${how === undefined ? '' : ` (${how})`}`;
}
