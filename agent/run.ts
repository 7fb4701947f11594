import type { Logger } from 'pino';
import { backoffMillis, jittered } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import type { Tracer } from '../lib/traces/tracer.ts';
import { createLatch } from '../lib/latch.ts';
import { isAborted, pause } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import { createSlots } from '../lib/slots.ts';
import { type Bar, createBar } from './bar.ts';
import type { AgentConfig } from './config.ts';
import { type LiveAttempt, executeAttempt } from './execute.ts';
import { whyUnusable } from './ending.ts';
import { type Idleness, watchIdleness } from './idleness.ts';
import { createInquiry } from './inquiry.ts';
import type { Instance } from './instance.ts';
import type { Claim, ClaimAnswer, Link } from './link.ts';
import type { Occupation } from './occupation.ts';
import type { PresenceRecord } from './presence.ts';
import type { AgentSignal, LinkListener } from './session.ts';
import { countSetbacks, restMillis } from './setback.ts';
import { DRAINED, type Shutdown } from './shutdown.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';
import { unusableSync } from './unusable-sync.ts';
import type { Vigil } from './vigil.ts';

export interface AgentParts {
  config: AgentConfig;
  openLink: (listener: LinkListener) => Link;
  /** May throw when the job's instructions cannot be used. */
  createSync: (claim: Claim, log: Logger) => AttemptSync;
  presence: PresenceRecord;
  vigil: Vigil;
  instance: Instance;
  occupation: Occupation;
  /** Where the agent's state may be read, if anywhere. */
  stateFile: string | undefined;
  shutdown: Shutdown;
  /** Who writes spans, if anybody does. */
  tracer: Tracer | undefined;
  log: Logger;
}

const AFTER_FAILURE = { baseMs: 500, capMs: 10_000 };
/** How long an instance that was promised to be made anew may take to go; then the agent ends by itself. */
const RECREATED_WITHIN_MS = 60_000;

/** Something of a command runs on here that nobody can end, or a disk answers no more. */
export class MachineUnusable extends Error {
  override name = 'MachineUnusable';
}

/**
 * Asks for work, does it, asks again. Resolves when the agent was told to stop, or drained, had no work for too long, or has done
 * the one job that it was there for, and nothing is left to do. Rejects with MachineUnusable, when everything is reported, after a
 * command that could not be ended: it may hold the files, the memory and the GPU that the next one wants; or when a disk does not let the
 * files of a job go: it holds threads of this process for ever, and the next job's files might be there.
 */
export async function runAgent(parts: AgentParts): Promise<void> {
  const { log, shutdown, instance, config } = parts;
  const wake = createLatch();
  const drained = new AbortController();
  const over = anyOf(shutdown.stopping, drained.signal);
  const idleness = watchIdleness(config.maxIdleMs);
  /** Aborted with why no other job may run here. */
  const unusable = new AbortController();
  /** No further question for work; unlike `over`, it ends nothing that is under way. */
  const leaving = anyOf(over, idleness.tooLong, unusable.signal);
  const bar = createBar({ ...config, instance, log });
  const herd = createHerd(parts, { over, idleness, bar, unusable });

  const onSignal = (signal: AgentSignal) =>
    heed(signal, {
      wake: () => wake.set(),
      drain: () => drained.abort(DRAINED),
      bar: () => bar.raise('The server gives this machine no more jobs, as too many have failed on it'),
      ...{ live: herd.live, log },
    });
  const link = parts.openLink({
    onReady() {
      wake.set();
      for (const attempt of herd.live) attempt.reconnected();
    },
    onSignal,
  });

  const inquiry = createInquiry(parts);
  while (!leaving.aborted) {
    await rest(herd.setbacks.unrested(), log, leaving);
    await bar.pass(() => herd.settled(), leaving);
    // After the bar: a machine that is of no use is no better in a fresh container.
    if (isAborted(leaving) || (config.recreateBetweenJobs && herd.hasWorked())) break;
    // Before the question: work that is announced while the answer is on its way must not be slept through.
    wake.clear();
    const answer = await inquiry.ask(link, leaving);
    if (answer === undefined) {
      await pause(backoffMillis(inquiry.failures() - 1, AFTER_FAILURE), leaving);
      continue;
    }
    if (answer.kind === 'NO_WORK') {
      log.debug({ retryAfterMillis: answer.retryAfterMillis }, 'There is no work');
      if (answer.signal) onSignal({ type: answer.signal, jobId: null, attempt: null });
      await wake.wait(jittered(answer.retryAfterMillis), leaving);
      continue;
    }
    await herd.take(answer, link);
  }
  log.info({ hasBeenIdleTooLong: idleness.tooLong.aborted }, 'No more work is taken');
  await herd.settled();
  idleness.end();
  await link.close();
  if (unusable.signal.aborted) await giveUp(messageOf(unusable.signal.reason), instance, over);
  if (config.recreateBetweenJobs && herd.hasWorked() && !over.aborted) await makeWay(instance, log, over);
}

interface Herd {
  /** The attempts under way: one whose command runs or is about to, and at most one that only uploads. */
  readonly live: ReadonlySet<LiveAttempt>;
  readonly setbacks: ReturnType<typeof countSetbacks>;
  /** Whether there ever was an attempt. */
  hasWorked(): boolean;
  /** Resolves when those under way have ended. */
  settled(): Promise<unknown>;
  /** Begins what was claimed. Resolves when the next job may begin, though files of this one may still be on their way. */
  take(answer: Extract<ClaimAnswer, { kind: 'CLAIM' }>, link: Link): Promise<void>;
}

interface HerdMeans {
  over: AbortSignal;
  idleness: Idleness;
  bar: Bar;
  unusable: AbortController;
}

function createHerd(parts: AgentParts, { over, idleness, bar, unusable }: HerdMeans): Herd {
  const live = new Set<LiveAttempt>();
  const setbacks = countSetbacks();
  const { overlapUploads, recreateBetweenJobs } = parts.config;
  // A job that is to be the only one in its container has nobody to make way for.
  const berth = overlapUploads && !recreateBetweenJobs ? createSlots(1) : undefined;
  const shutdown = { ...parts.shutdown, stopping: over };
  let hasWorked = false;
  idleness.begin();
  return {
    live,
    setbacks,
    hasWorked: () => hasWorked,
    settled: () => Promise.all([...live].map(({ ended }) => ended)),
    async take({ claim, askedAt }, link) {
      hasWorked = true;
      idleness.end();
      const sync = syncFor(claim, parts);
      const witness = parts.occupation.begin({ jobId: claim.job.id, number: claim.attempt.number });
      const attempt = executeAttempt({ ...parts, claim, askedAt, link, sync, witness, berth, shutdown });
      live.add(attempt);
      const ended = attempt.ended.then((ending) => {
        live.delete(attempt);
        witness.ended();
        setbacks.ended(ending);
        bar.ended(ending);
        const why = whyUnusable(ending);
        if (why !== undefined) unusable.abort(why);
        if (live.size === 0) idleness.begin();
      });
      await Promise.race([attempt.madeWay, ended]);
    },
  };
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

async function giveUp(reason: string, instance: Instance, over: AbortSignal): Promise<never> {
  await instance.reallocate(reason, over);
  throw new MachineUnusable(reason);
}

/** The next job is to find a fresh container: who makes one is the metadata service, or else whoever restarts this agent. */
async function makeWay(instance: Instance, log: Logger, over: AbortSignal): Promise<void> {
  const isPromised = await instance.recreate(over);
  log.info({ isPromised }, 'One job was done in this container, and the next one is to find a fresh one');
  if (isPromised) await pause(RECREATED_WITHIN_MS, over);
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
      // Who goes on to wait for work would ask for another machine only after that.
      means.wake();
  }
}
