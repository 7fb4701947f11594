import { ScalingRule } from '../../db/entities/scaling-rule.ts';
import type { EntityData } from '@mikro-orm/core';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { BANS_TO_REALLOCATE } from '../jobs/bans.ts';
import type { Queue } from './evaluate.ts';

/** A server that has died in its turn loses it after so long: longer than a turn may take with all that it has asked for. */
const TURN_SECONDS = 45;
/** Every rule is looked at so often, whatever has been heard of its queue. */
export const SWEEP_SECONDS = 60;
/** History kept per rule. */
export const KEPT_EVENTS = 1_000;
/** Of a queue alone that changes all the time, history has an entry so often: all of it together is that of many hours. */
const QUEUE_EVENT_SECONDS = 60;
/** A backlog is counted so far: no rule allows as many replicas. */
const COUNTED = 10_000;
/** An agent that was not seen for longer is not there. */
const SEEN_WITHIN_SECONDS = 30;
/** A machine that comes back under the same id is given up again after so long; one that was not given up, sooner. */
const COOL_DOWN_SECONDS = 3_600;
const AGAIN_SECONDS = 300;

/** A rule for whom this server acts now, and nobody else does. */
export type Turn = ScalingRule & { turn: string };

interface FinishParameters {
  turn: string;
  updated_at: Date;
  group_name: string | null;
  wanted: number | null;
  reason: string | null;
  pending: number | null;
  running: number | null;
  ok: boolean;
  message: string;
  acted: boolean;
  orphaned: boolean;
  next_seconds: number;
  queue_seconds: number;
  kept: number;
}
interface OfGroup {
  account_id: string;
  group_id: string;
}
interface QueueRow {
  pending: number;
  running: number;
  ended: number;
  barred: number;
  cooler_in_seconds: number | null;
}

/** Null for a rule that is not due before somebody changes it. */
interface DueRow {
  due_in_seconds: number | null;
}

const hintStatement = statement<{ account_ids: readonly string[]; group_ids: readonly string[] }, DueRow>(
  'hint-scaling',
);
const takeStatement = statement<
  { batch: number; turn_seconds: number; sweep_seconds: number },
  EntityData<ScalingRule>
>('take-scaling');
const finishStatement = statement<{ [name in keyof FinishParameters]: FinishParameters[name] }, DueRow>(
  'finish-scaling',
);
const holdStatement = statement<{ turn: string; group_identity: string }, { container_group_id: string }>('hold-group');
const countStatement = statement<
  { [name in keyof OfGroup]: OfGroup[name] } & {
    idle_seconds: number;
    seen_within_seconds: number;
    given_up: readonly string[];
    bans: number;
    most: number;
  },
  QueueRow
>('count-queue');
const busyStatement = statement<{ [name in keyof OfGroup]: OfGroup[name] }, { machine_id: string }>('busy-machines');
const barredStatement = statement<
  { [name in keyof OfGroup]: OfGroup[name] } & {
    bans: number;
    seen_within_seconds: number;
    cool_down_seconds: number;
    again_seconds: number;
  },
  { machine_id: string }
>('barred-machines');
const recordStatement = statement<
  { turn: string; machine_id: string; ok: boolean; cool_down_seconds: number },
  Record<string, never>
>('record-reallocation');

/**
 * Makes the rules of these groups due, at most once a second each.
 * @returns in how many seconds each of them is due that is so by this call
 */
export async function hintRules(
  core: Core,
  groups: readonly { accountId: string; containerGroupId: string }[],
): Promise<number[]> {
  if (groups.length === 0) return [];
  const rows = await hintStatement(core.em.fork(), {
    account_ids: groups.map(({ accountId }) => accountId),
    group_ids: groups.map(({ containerGroupId }) => containerGroupId),
  });
  return rows.flatMap(secondsOf);
}

/** Takes up to `batch` rules that are due. */
export async function takeTurns(core: Core, batch: number): Promise<Turn[]> {
  const em = core.em.fork();
  const rows = await takeStatement(em, { batch, turn_seconds: TURN_SECONDS, sweep_seconds: SWEEP_SECONDS });
  return rows.map((row) => em.map(ScalingRule, row)).filter((rule): rule is Turn => rule.turn !== null);
}

/**
 * Writes down what came of a turn; nothing when it was taken over.
 * @returns in how many seconds the rule is due again; none where that is not known
 */
export async function finishTurn(
  core: Core,
  finish: Omit<FinishParameters, 'queue_seconds' | 'kept'>,
): Promise<number[]> {
  const bounds = { queue_seconds: QUEUE_EVENT_SECONDS, kept: KEPT_EVENTS };
  return (await finishStatement(core.em.fork(), { ...finish, ...bounds })).flatMap(secondsOf);
}

function secondsOf({ due_in_seconds: seconds }: DueRow): number[] {
  return seconds === null ? [] : [seconds];
}

/**
 * From now on the turn's rule acts on this group of the provider's.
 * @returns false when another rule does, of whatever account, or the turn was taken over
 */
export async function holdGroup(core: Core, { turn }: Turn, groupIdentity: string): Promise<boolean> {
  try {
    return (await holdStatement(core.em.fork(), { turn, group_identity: groupIdentity })).length > 0;
  } catch (error) {
    // Two at once: the other was faster.
    if (error instanceof Error && 'code' in error && error.code === '23505') return false;
    throw error;
  }
}

/** Lets another server have the turn, at once. */
export async function giveBackTurn(core: Core, { turn }: Turn): Promise<void> {
  await core.em.fork().nativeUpdate(ScalingRule, { turn }, { turn: null, turnEndsAt: null, nextActionAt: new Date(0) });
}

/**
 * The queue as it is, and in how many seconds the first ended job stops to count; null when none counts.
 * @param givenUp machines that are about to be replaced: nobody need stand in for them
 */
export async function countQueue(
  core: Core,
  rule: ScalingRule,
  givenUp: readonly string[],
): Promise<{ queue: Queue; coolerIn: number | null }> {
  const [row] = await countStatement(core.em.fork(), {
    ...ofGroup(rule),
    idle_seconds: rule.idleThresholdSeconds,
    seen_within_seconds: SEEN_WITHIN_SECONDS,
    given_up: givenUp,
    bans: BANS_TO_REALLOCATE,
    most: COUNTED,
  });
  if (row === undefined) throw new Error('The queue was not counted');
  const { pending, running, ended, barred } = row;
  return { queue: { pending, running, ended, barred, hasMore: pending === COUNTED }, coolerIn: row.cooler_in_seconds };
}

export async function busyMachines(core: Core, rule: ScalingRule): Promise<ReadonlySet<string>> {
  const rows = await busyStatement(core.em.fork(), ofGroup(rule));
  return new Set(rows.map((row) => row.machine_id));
}

/** Idle machines to give up (rule 5): those that were asked to be within the cool-down are not looked at. */
export async function findBarred(core: Core, rule: ScalingRule): Promise<string[]> {
  const rows = await barredStatement(core.em.fork(), {
    ...ofGroup(rule),
    bans: BANS_TO_REALLOCATE,
    seen_within_seconds: SEEN_WITHIN_SECONDS,
    cool_down_seconds: COOL_DOWN_SECONDS,
    again_seconds: AGAIN_SECONDS,
  });
  return rows.map((row) => row.machine_id);
}

/** That a machine was given up, or could not be: its cool-down begins. */
export async function recordReallocation(core: Core, { turn }: Turn, machineId: string, ok: boolean): Promise<void> {
  const parameters = { turn, machine_id: machineId, ok, cool_down_seconds: COOL_DOWN_SECONDS };
  await recordStatement(core.em.fork(), parameters);
}

function ofGroup({ accountId, containerGroupId }: ScalingRule): OfGroup {
  return { account_id: accountId, group_id: containerGroupId };
}
