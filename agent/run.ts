import type { Logger } from 'pino';
import { backoffMillis, jittered } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import { createLatch } from '../lib/latch.ts';
import { pause } from '../lib/pause.ts';
import type { AgentConfig } from './config.ts';
import { type LiveAttempt, executeAttempt } from './execute.ts';
import type { Claim, ClaimAnswer, Link } from './link.ts';
import type { PresenceRecord } from './presence.ts';
import type { AgentSignal, LinkListener } from './session.ts';
import { countSetbacks, restMillis } from './setback.ts';
import { DRAINED, type Shutdown } from './shutdown.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';
import { createSlots } from './sync/parallel.ts';
import { unusableSync } from './unusable-sync.ts';
import type { Vigil } from './vigil.ts';

export interface AgentParts {
  config: AgentConfig;
  openLink: (listener: LinkListener) => Link;
  /** May throw when the job's instructions cannot be used. */
  createSync: (claim: Claim, log: Logger) => AttemptSync;
  presence: PresenceRecord;
  vigil: Vigil;
  shutdown: Shutdown;
  log: Logger;
}

const AFTER_FAILURE = { baseMs: 500, capMs: 10_000 };
/** A claim that is under way when the agent is told to stop may have taken a job, which is then given back at once. */
const LAST_ANSWER_MS = 2000;
/** A machine that is to be reallocated gets no work, unless somebody lifts its bans. */
const BARRED_MS = 60_000;

/** Asks for work, does it, asks again. Resolves when the agent was told to stop, or drained, and nothing is left to do. */
export async function runAgent(parts: AgentParts): Promise<void> {
  const { log, shutdown } = parts;
  const wake = createLatch();
  const drained = new AbortController();
  const over = AbortSignal.any([shutdown.stopping, drained.signal]);
  const herd = createHerd(parts, over);
  let barredUntil = 0;

  const onSignal = (signal: AgentSignal) =>
    heed(signal, {
      wake: () => wake.set(),
      drain: () => drained.abort(DRAINED),
      bar: () => (barredUntil = bar(barredUntil, log)),
      ...{ live: herd.live, log },
    });
  const link = parts.openLink({
    onReady() {
      wake.set();
      for (const attempt of herd.live) attempt.reconnected();
    },
    onSignal,
  });

  for (let failures = 0; !over.aborted;) {
    await rest(herd.setbacks.unrested(), log, over);
    await pause(barredUntil - performance.now(), over);
    // Before the question: work that is announced while the answer is on its way must not be slept through.
    wake.clear();
    const answer = await askForWork(link, parts, over);
    if (answer === undefined) {
      await pause(backoffMillis(failures++, AFTER_FAILURE), over);
      continue;
    }
    failures = 0;
    if (answer.kind === 'NO_WORK') {
      log.debug({ retryAfterMillis: answer.retryAfterMillis }, 'There is no work');
      if (answer.signal) onSignal({ type: answer.signal, jobId: null, attempt: null });
      await wake.wait(jittered(answer.retryAfterMillis), over);
      continue;
    }
    await herd.take(answer, link);
  }
  log.info('No more work is taken');
  await Promise.all([...herd.live].map(({ ended }) => ended));
  await link.close();
}

interface Herd {
  /** The attempts under way: one whose command runs or is about to, and at most one that only uploads. */
  readonly live: ReadonlySet<LiveAttempt>;
  readonly setbacks: ReturnType<typeof countSetbacks>;
  /** Begins what was claimed. Resolves when the next job may begin, though files of this one may still be on their way. */
  take(answer: Extract<ClaimAnswer, { kind: 'CLAIM' }>, link: Link): Promise<void>;
}

function createHerd(parts: AgentParts, over: AbortSignal): Herd {
  const live = new Set<LiveAttempt>();
  const setbacks = countSetbacks();
  const berth = parts.config.overlapUploads ? createSlots(1) : undefined;
  const shutdown = { ...parts.shutdown, stopping: over };
  return {
    live,
    setbacks,
    async take({ claim, askedAt }, link) {
      const sync = syncFor(claim, parts);
      const attempt = executeAttempt({ ...parts, claim, askedAt, link, sync, berth, shutdown });
      live.add(attempt);
      const ended = attempt.ended.then((ending) => {
        live.delete(attempt);
        setbacks.ended(ending);
      });
      await Promise.race([attempt.madeWay, ended]);
    },
  };
}

/** The server's answer, or nothing when it could not be had. */
async function askForWork(
  link: Link,
  { shutdown, log }: AgentParts,
  over: AbortSignal,
): Promise<ClaimAnswer | undefined> {
  const answered = new AbortController();
  const giveUp = new AbortController();
  const limit = () => void pause(LAST_ANSWER_MS, answered.signal).then(() => giveUp.abort());
  over.addEventListener('abort', limit, { once: true });
  try {
    return await link.claim(AbortSignal.any([giveUp.signal, shutdown.hurrying]));
  } catch (err) {
    if (!over.aborted) log.warn({ reason: messageOf(err) }, 'The server could not be asked for work');
    return undefined;
  } finally {
    answered.abort();
    over.removeEventListener('abort', limit);
  }
}

function syncFor(claim: Claim, { createSync, log }: AgentParts): AttemptSync {
  try {
    return createSync(claim, log.child({ jobId: claim.job.id }));
  } catch (error) {
    return unusableSync(messageOf(error));
  }
}

/** Lets what is broken recover. New work does not shorten it: it would meet the same fault. */
async function rest(setbacks: number, log: Logger, over: AbortSignal): Promise<void> {
  const millis = restMillis(setbacks);
  if (millis === 0) return;
  log.warn({ setbacks, millis }, 'No work is taken for a while, as storage or the start of a job failed');
  await pause(millis, over);
}

/** @returns until when no work is asked for, on the monotonic clock */
function bar(barredUntil: number, log: Logger): number {
  const now = performance.now();
  // It is told twice: as a signal, and in the answer to the question for work.
  if (barredUntil <= now) {
    log.error('Too many jobs have failed on this machine, so it gets no more of them: reallocate it, or lift its bans');
  }
  return now + BARRED_MS;
}

function heed(
  signal: AgentSignal,
  means: {
    wake: () => void;
    drain: () => void;
    bar: () => void;
    live: ReadonlySet<LiveAttempt>;
    log: Logger;
  },
): void {
  const { live, log } = means;
  log.debug({ signal }, 'Signal');
  switch (signal.type) {
    case 'WORK_AVAILABLE':
      means.wake();
      return;
    case 'CANCEL':
      for (const attempt of live) {
        if (attempt.jobId === signal.jobId && attempt.number === signal.attempt) attempt.cancel();
      }
      return;
    case 'DRAIN':
      log.info('The server asks this agent to leave');
      means.drain();
      return;
    case 'REALLOCATE':
      means.bar();
  }
}
