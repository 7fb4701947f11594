import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

const forgetStatement = statement<{ seconds: number; batch: number }, { id: string }>('forget-agents');

const forgetSurplusStatement = statement<
  { seconds: number; per_group: number; per_account: number; batch: number },
  { id: string }
>('forget-surplus-agents');

const forgetIdleStatement = statement<{ per_account: number; batch: number }, { id: string }>('forget-idle-agents');

/** So many are removed in one transaction, so that nobody waits long for a row of it. */
const BATCH = 500;
const DAY_SECONDS = 86_400;

/**
 * Removes agents of which nothing was heard for so many days. Those that hold a job stay; one that comes back registers anew.
 * @returns how many there were
 */
export async function forgetAgents(core: Core, days: number): Promise<{ forgotten: number }> {
  const old = { seconds: days * DAY_SECONDS, batch: BATCH };
  return { forgotten: await untilNone(() => forgetStatement(core.em.fork(), old)) };
}

/** How many agents are kept that hold no job. */
export interface KeptAgents {
  /** Of a container group's that are gone. */
  gonePerGroup: number;
  /** Of an account's that are gone. */
  gonePerAccount: number;
  /** An agent counts as gone when nothing was heard of it for so many seconds: longer than a server takes to start. */
  goneAfterSeconds: number;
  /** Of an account's, whenever they were seen: room for a fleet of 20,000 that only polls, and for as many as are kept of those that are gone. */
  idlePerAccount: number;
}

const KEPT: KeptAgents = { gonePerGroup: 5_000, gonePerAccount: 20_000, goneAfterSeconds: 300, idlePerAccount: 50_000 };

/**
 * Removes of the agents that hold no job what is beyond these bounds: who makes up sessions fills no disk, however often they are heard of.
 * First those that are gone, the oldest first; then, of all, those without a connection, and of these who was registered first. One that
 * comes back registers anew.
 * @returns how many there were
 */
export async function forgetSurplusAgents(core: Core, kept: KeptAgents = KEPT): Promise<{ forgotten: number }> {
  const gone = { seconds: kept.goneAfterSeconds, per_group: kept.gonePerGroup, per_account: kept.gonePerAccount };
  const ofGone = await untilNone(() => forgetSurplusStatement(core.em.fork(), { ...gone, batch: BATCH }));
  const idle = { per_account: kept.idlePerAccount };
  const ofIdle = await untilNone(() => forgetIdleStatement(core.em.fork(), { ...idle, batch: BATCH }));
  return { forgotten: ofGone + ofIdle };
}

async function untilNone(forget: () => Promise<{ id: string }[]>): Promise<number> {
  for (let forgotten = 0; ;) {
    const removed = await forget();
    forgotten += removed.length;
    if (removed.length < BATCH) return forgotten;
  }
}
