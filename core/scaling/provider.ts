import { whenAborted } from '../../lib/pause.ts';

/** Where a group is to be looked for. */
export interface GroupRef {
  accountId: string;
  containerGroupId: string;
  /** Organization and project of the key that made the rule, where the provider has such. */
  organization: string | null;
  project: string | null;
}

/** A set of machines as its provider describes it. */
export interface Group {
  /** The same as long as it is this group, and no other group's at this provider, whoever asks. */
  identity: string;
  /** What people call it. */
  name: string;
  /** STOPPED when no machine of it runs and none is being made. */
  status: 'RUNNING' | 'STOPPED';
  /** How many machines it is set to have, or would have once it is started. */
  replicas: number;
}

/** Tells a group from all others, those of other providers too. */
export function identityOf({ name }: Provider, { identity }: Group): string {
  return `${name}:${identity}`;
}

/** One machine of a group. */
export interface Instance {
  id: string;
  /** As its agent calls itself; null while there is none. */
  machineId: string | null;
  isRunning: boolean;
}

/** What a provider should spare when it takes machines away. */
export interface Sparing {
  /** Machines that work on a job. */
  busy: ReadonlySet<string>;
}

/**
 * Whoever has the machines. Every verb may be said again without harm, ends when `signal` is aborted, and throws `GroupNotFound`
 * when the provider says that there is no such group, `ProviderTrouble` when it says anything else than yes.
 */
export interface Provider {
  readonly name: string;
  /** @param why.isCheck of who only wants to know whether there is one: a provider that answers so often leaves most to the others */
  get(group: GroupRef, signal: AbortSignal, why?: { isCheck: boolean }): Promise<Group>;
  start(group: GroupRef, signal: AbortSignal): Promise<void>;
  /** Ends all its machines; the number of replicas stays for the next start where the provider keeps one. */
  stop(group: GroupRef, sparing: Sparing, signal: AbortSignal): Promise<void>;
  setReplicas(group: GroupRef, count: number, sparing: Sparing, signal: AbortSignal): Promise<void>;
  instances(group: GroupRef, signal: AbortSignal): Promise<Instance[]>;
  /** Gives this machine up for another one. An instance that is gone already is fine. */
  reallocate(group: GroupRef, instance: Instance, signal: AbortSignal): Promise<void>;
}

/** The provider has no such group: the rule is orphaned. */
export class GroupNotFound extends Error {}

/** The provider could not or would not. What it said is for the rule's owner: it names nothing of ours. */
export class ProviderTrouble extends Error {
  /** How long it asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  constructor(message: string, options: { retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Waits for `work` until `signal` is aborted: not everybody who is handed a signal heeds it. */
export async function inTime<Result>(
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const done = new AbortController();
  const late = whenAborted(signal, done.signal).then((): never => {
    throw new ProviderTrouble('It did not answer in time', { cause: signal.reason });
  });
  try {
    return await Promise.race([work(signal), late]);
  } finally {
    done.abort();
  }
}
