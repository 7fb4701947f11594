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
/** A backlog is counted so far: no rule allows as many replicas. */
const COUNTED = 10_000;
/** An agent that was not seen for longer is not there. */
const SEEN_WITHIN_SECONDS = 30;
/** A machine that comes back under the same id is given up again after so long. */
const COOL_DOWN_SECONDS = 3_600;

/** A rule for whom this server acts now, and nobody else does. */
export type Turn = ScalingRule & { turn: string };

interface FinishParameters {
  turn: string;
  updated_at: Date;
  group_name: string | null;
  wanted: number | null;
  reason: string | null;
  ok: boolean;
  message: string;
  acted: boolean;
  orphaned: boolean;
  next_seconds: number;
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
  cooler_in_seconds: number | null;
}

const hintStatement = statement<{ account_ids: readonly string[]; group_ids: readonly string[] }, never>(
  'hint-scaling',
);
const takeStatement = statement<
  { batch: number; turn_seconds: number; sweep_seconds: number },
  EntityData<ScalingRule>
>('take-scaling');
const finishStatement = statement<{ [name in keyof FinishParameters]: FinishParameters[name] }, { finished: number }>(
  'finish-scaling',
);
const countStatement = statement<
  { [name in keyof OfGroup]: OfGroup[name] } & { idle_seconds: number; most: number },
  QueueRow
>('count-queue');
const busyStatement = statement<{ [name in keyof OfGroup]: OfGroup[name] }, { machine_id: string }>('busy-machines');
const barredStatement = statement<
  { [name in keyof OfGroup]: OfGroup[name] } & { bans: number; seen_within_seconds: number; cool_down_seconds: number },
  { machine_id: string }
>('barred-machines');

/** Makes the rules of these groups due, at most once a second each. */
export async function hintRules(
  core: Core,
  groups: readonly { accountId: string; containerGroupId: string }[],
): Promise<void> {
  if (groups.length === 0) return;
  await hintStatement(core.em.fork(), {
    account_ids: groups.map(({ accountId }) => accountId),
    group_ids: groups.map(({ containerGroupId }) => containerGroupId),
  });
}

/** Takes up to `batch` rules that are due. */
export async function takeTurns(core: Core, batch: number): Promise<Turn[]> {
  const em = core.em.fork();
  const rows = await takeStatement(em, { batch, turn_seconds: TURN_SECONDS, sweep_seconds: SWEEP_SECONDS });
  return rows.map((row) => em.map(ScalingRule, row)).filter((rule): rule is Turn => rule.turn !== null);
}

/** Writes down what came of a turn; nothing when it was taken over. */
export async function finishTurn(core: Core, finish: Omit<FinishParameters, 'kept'>): Promise<void> {
  await finishStatement(core.em.fork(), { ...finish, kept: KEPT_EVENTS });
}

/** Lets another server have the turn, at once. */
export async function giveBackTurn(core: Core, { turn }: Turn): Promise<void> {
  await core.em.fork().nativeUpdate(ScalingRule, { turn }, { turn: null, turnEndsAt: null, nextActionAt: new Date(0) });
}

/** The queue as it is, and in how many seconds the first ended job stops to count; null when none counts. */
export async function countQueue(core: Core, rule: ScalingRule): Promise<{ queue: Queue; coolerIn: number | null }> {
  const [row] = await countStatement(core.em.fork(), {
    ...ofGroup(rule),
    idle_seconds: rule.idleThresholdSeconds,
    most: COUNTED,
  });
  if (row === undefined) throw new Error('The queue was not counted');
  const { pending, running, ended } = row;
  return { queue: { pending, running, ended, hasMore: pending === COUNTED }, coolerIn: row.cooler_in_seconds };
}

export async function busyMachines(core: Core, rule: ScalingRule): Promise<ReadonlySet<string>> {
  const rows = await busyStatement(core.em.fork(), ofGroup(rule));
  return new Set(rows.map((row) => row.machine_id));
}

/** Machines to give up (rule 5); each is told once within the cool-down, here or elsewhere. */
export async function takeBarred(core: Core, rule: ScalingRule): Promise<string[]> {
  const rows = await barredStatement(core.em.fork(), {
    ...ofGroup(rule),
    bans: BANS_TO_REALLOCATE,
    seen_within_seconds: SEEN_WITHIN_SECONDS,
    cool_down_seconds: COOL_DOWN_SECONDS,
  });
  return rows.map((row) => row.machine_id);
}

function ofGroup({ accountId, containerGroupId }: ScalingRule): OfGroup {
  return { account_id: accountId, group_id: containerGroupId };
}
