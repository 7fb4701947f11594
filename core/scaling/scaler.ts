import { createAlarm } from '../../lib/alarm.ts';
import { backoffMillis } from '../../lib/backoff.ts';
import { messageOf } from '../../lib/errors.ts';
import { anyOf } from '../../lib/signals.ts';
import type { Core } from '../core.ts';
import type { Feed } from '../events/feed.ts';
import { evaluate, plan, type Decision, type Queue, type Step } from './evaluate.ts';
import {
  type Group,
  GroupNotFound,
  type GroupRef,
  identityOf,
  inTime,
  type Provider,
  ProviderTrouble,
} from './provider.ts';
import { replaceBarred } from './reallocate.ts';
import {
  busyMachines,
  countQueue,
  findBarred,
  finishTurn,
  giveBackTurn,
  hintRules,
  holdGroup,
  SWEEP_SECONDS,
  takeTurns,
  type Turn,
} from './turns.ts';

/** Keeps container groups at the size that their rules want. Any number of servers may do this at once. */
export interface Scaler {
  /** Begins the turns of the rules that are due; what is under way is not waited for. */
  runOnce(): Promise<{ started: number }>;
  /** Resolves when no turn is under way. */
  settled(): Promise<void>;
  /** Breaks off what is under way; another server does it. */
  stop(): Promise<void>;
}

export interface ScalerOptions {
  core: Core & { feed: Feed };
  provider: Provider;
  /** How long a provider may take in one turn, in milliseconds (20,000). */
  timeLimitMs?: number | undefined;
  /** A queue has changed, a rule is due soon, or there is room for another turn. */
  onNews?: (() => void) | undefined;
  /** What came of a turn could not be written down: it is done again. */
  onError: (error: Error) => void;
}

/** Under way at once from one server: as many slow providers hold up nobody. */
const AT_ONCE = 100;
const TIME_LIMIT_MS = 20_000;
const AFTER_FAILURE = { baseMs: 1_000, capMs: 300_000 };
/** Queues that changed and were not looked at yet; beyond, the sweep finds them. */
const MAX_HINTS = 10_000;
/** Rules that are due so soon are not left to the next regular look, in milliseconds. */
const SOON_MS = 2_000;
/** Its clock is the database's: a look that is a little early finds nothing. */
const NOT_BEFORE_MS = 5;

export function createScaler(options: ScalerOptions): Scaler {
  const { core, onNews, onError } = options;
  const stopping = new AbortController();
  const underWay = new Map<string, Promise<void>>();
  const hints = collectHints(core.feed, () => onNews?.());
  const alarm = createAlarm(() => onNews?.());
  const wakeIn = (dueInSeconds: readonly number[]): void => {
    const soonestMs = Math.min(...dueInSeconds) * 1_000;
    if (soonestMs <= SOON_MS && !stopping.signal.aborted) alarm.setIn(Math.max(soonestMs, 0) + NOT_BEFORE_MS);
  };

  const takeOne = async (turn: Turn): Promise<void> => {
    try {
      wakeIn(await takeTurn(options, turn, stopping.signal));
    } catch (error) {
      onError(new Error(`A turn of scaling could not be finished: ${messageOf(error)}`, { cause: error }));
    } finally {
      underWay.delete(turn.turn);
      if (!stopping.signal.aborted) onNews?.();
    }
  };

  return {
    async runOnce() {
      await hints.pass(async (changed) => wakeIn(await hintRules(core, changed)));
      const room = AT_ONCE - underWay.size;
      if (room <= 0 || stopping.signal.aborted) return { started: 0 };
      const turns = await takeTurns(core, room);
      for (const turn of turns) underWay.set(turn.turn, takeOne(turn));
      return { started: turns.length };
    },
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay.values());
    },
    async stop() {
      hints.stop();
      stopping.abort(new Error('the server stops'));
      alarm.stop();
      await Promise.all(underWay.values());
    },
  };
}

type GroupName = { accountId: string; containerGroupId: string };

/** Groups whose queues have changed, once each. */
function collectHints(feed: Feed, onHint: () => void) {
  let hints = new Map<string, GroupName>();
  const add = (group: GroupName): void => {
    if (hints.size < MAX_HINTS) hints.set(`${group.accountId}\0${group.containerGroupId}`, group);
  };
  const stop = feed.listen(({ type, accountId, containerGroupId }) => {
    if (type === 'PROGRESSED') return;
    add({ accountId, containerGroupId });
    onHint();
  });
  return {
    stop,
    /** Hands them on; they stay when that fails. */
    async pass(to: (groups: GroupName[]) => Promise<void>): Promise<void> {
      const groups = [...hints.values()];
      hints = new Map();
      try {
        await to(groups);
      } catch (error) {
        groups.forEach(add);
        throw error;
      }
    },
  };
}

/** What a turn has come to so far, however it ends. */
interface Account {
  queue?: Queue;
  decision?: Decision;
  group?: Group;
  done: string[];
  nextSeconds: number;
}

/**
 * Looks at the queue, asks the provider for what it lacks, and writes down both.
 * @returns in how many seconds the rule is due again, where that is known
 */
async function takeTurn(options: ScalerOptions, turn: Turn, stopping: AbortSignal): Promise<number[]> {
  const { core, timeLimitMs = TIME_LIMIT_MS } = options;
  const account: Account = { done: [], nextSeconds: SWEEP_SECONDS };
  const limit = anyOf(stopping, AbortSignal.timeout(timeLimitMs));
  let trouble: Error | undefined;
  try {
    await inTime(limit, (signal) => act(options, turn, account, signal));
  } catch (error) {
    if (stopping.aborted) {
      await giveBackTurn(core, turn);
      return [];
    }
    trouble = error instanceof Error ? error : new Error(messageOf(error));
  }
  if (trouble !== undefined && !isForOwner(trouble)) options.onError(trouble);
  if (trouble !== undefined) account.nextSeconds = waitSeconds(turn, trouble);
  return finishTurn(core, {
    turn: turn.turn,
    updated_at: turn.updatedAt,
    group_name: account.group?.name ?? null,
    wanted: account.decision?.wanted ?? null,
    reason: account.decision?.reason ?? null,
    pending: account.queue?.pending ?? null,
    running: account.queue?.running ?? null,
    ok: trouble === undefined,
    message: trouble === undefined ? answerOf(account) : troubleOf(trouble),
    acted: account.done.length > 0,
    orphaned: trouble instanceof GroupNotFound,
    next_seconds: account.nextSeconds,
  });
}

async function act(
  { core, provider }: ScalerOptions,
  turn: Turn,
  account: Account,
  signal: AbortSignal,
): Promise<void> {
  const ref = refOf(turn);
  // At the end of this turn they are looked for again: meanwhile one may have got work.
  const { queue, coolerIn } = await countQueue(core, turn, await findBarred(core, turn));
  account.queue = queue;
  account.decision = evaluate(turn, queue);
  // When the first ended job stops to count, the decision may be another one.
  if (coolerIn !== null) account.nextSeconds = Math.min(SWEEP_SECONDS, Math.max(coolerIn + 0.05, 1));
  account.group = await provider.get(ref, signal);
  await demandGroup(core, turn, identityOf(provider, account.group));
  const sparing = { busy: await busyMachines(core, turn) };
  for (const step of plan(account.decision.wanted, account.group)) {
    signal.throwIfAborted();
    await doStep(provider, ref, step, sparing, signal);
    account.done.push(sayStep(step));
  }
  account.done.push(...(await replaceBarred(core, provider, { turn, ref, signal })));
}

/** Two rules, of two accounts perhaps, would undo each other's work. */
async function demandGroup(core: Core, turn: Turn, identity: string): Promise<void> {
  if (turn.groupIdentity === identity || (await holdGroup(core, turn, identity))) return;
  throw new ProviderTrouble('Another scaling rule acts on this group: delete one of them');
}

function doStep(
  provider: Provider,
  ref: GroupRef,
  step: Step,
  sparing: { busy: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<void> {
  switch (step.do) {
    case 'start':
      return provider.start(ref, signal);
    case 'stop':
      return provider.stop(ref, sparing, signal);
    case 'setReplicas':
      return provider.setReplicas(ref, step.count, sparing, signal);
  }
}

function sayStep(step: Step): string {
  switch (step.do) {
    case 'start':
      return 'started';
    case 'stop':
      return 'stopped';
    case 'setReplicas':
      return `set to ${step.count}`;
  }
}

function refOf({ accountId, containerGroupId, orgName, projectName }: Turn): GroupRef {
  return { accountId, containerGroupId, organization: orgName, project: projectName };
}

function waitSeconds({ failures }: Turn, trouble: Error): number {
  const asked = trouble instanceof ProviderTrouble ? trouble.retryAfterMs : undefined;
  return (asked ?? backoffMillis(failures, AFTER_FAILURE)) / 1_000;
}

function answerOf({ group, done }: Account): string {
  const replicas = group?.replicas ?? 0;
  const was = `${group?.status ?? 'unknown'} with ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`;
  return done.length > 0 ? `was ${was}; ${done.join(', ')}` : `is ${was}`;
}

/** What a provider said is for the owner; what else went wrong is for the operator's log, and names nothing here. */
function troubleOf(trouble: Error): string {
  return (isForOwner(trouble) ? trouble.message : 'The provider could not be asked').slice(0, 1_000);
}

function isForOwner(trouble: Error): boolean {
  return trouble instanceof ProviderTrouble || trouble instanceof GroupNotFound;
}
