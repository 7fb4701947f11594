import type { AttemptPhase } from '../../db/entities/attempt.ts';
import { plainReader, type Owner } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import { inRounds } from '../../lib/rounds.ts';
import type { TransferredColumns } from './transferred.ts';

/** What every write under a lease carries, as the statements name it (rule 2). */
export interface Fence {
  account_id: string;
  job_id: string;
  attempt: number;
}

/** A lease that holds, and what is known of its attempt. */
export interface Held {
  heartbeat_interval: number;
  draining: boolean;
  phase: AttemptPhase | null;
  warning: string | null;
  checkpoint_files: number;
  /** Whether nothing was written of its holder's presence for some seconds. */
  unseen: boolean;
  agent_id: string | null;
  machine_id: string;
  container_group_id: string;
}

type Renewal = Fence & TransferredColumns & { sync_lag_seconds: number | null };

interface Often {
  /** How often it is written down that a holder is there. */
  seen_every_seconds: number;
}

const oneStatement = statement<Renewal & Often, Held>('renew-lease', { keepsPlan: true });

type Columns = { [name in keyof Renewal as `${name}${name extends keyof Fence ? 's' : ''}`]: readonly Renewal[name][] };

const manyStatement = statement<
  Columns & { seen_every_seconds: number },
  Held & Omit<Fence, 'attempt'> & { number: number }
>('renew-leases');

/** Renews one lease; undefined when it does not hold (rules 2 and 3). What is returned is committed. */
export type Renew = (renewal: Renewal) => Promise<Held | undefined>;

/**
 * Heartbeats that come at once are one statement: a commit for many, not for each, and it waits for no row. Each has its own verdict; one
 * that this statement did not give is asked for alone.
 */
export function createRenewals(owner: Owner, often: Often): Renew {
  const renewInRound = inRounds(async (round: Renewal[]): Promise<(Held | undefined)[]> => {
    // Of two for one lease the first is in the statement, and the other follows it.
    const named = new Map<string, Renewal>();
    for (const renewal of round) named.set(nameOf(renewal), named.get(nameOf(renewal)) ?? renewal);
    const rows = await manyStatement(plainReader(owner), { ...columnsOf([...named.values()]), ...often });
    const held = new Map(rows.map((row) => [nameOf({ ...row, attempt: row.number }), row]));
    return round.map((renewal) => {
      const name = nameOf(renewal);
      return named.get(name) === renewal ? held.get(name) : undefined;
    });
  });
  return async (renewal) =>
    (await renewInRound(renewal)) ?? (await oneStatement(plainReader(owner), { ...renewal, ...often }))[0];
}

/** Two accounts that name one lease are two: one of them means a job that is not its own. */
function nameOf({ account_id: accountId, job_id: jobId, attempt }: Fence): string {
  return `${accountId} ${jobId.toLowerCase()} ${attempt}`;
}

function columnsOf(round: readonly Renewal[]): Columns {
  return {
    account_ids: round.map((one) => one.account_id),
    job_ids: round.map((one) => one.job_id),
    attempts: round.map((one) => one.attempt),
    bytes_downloaded: round.map((one) => one.bytes_downloaded),
    bytes_uploaded: round.map((one) => one.bytes_uploaded),
    files_downloaded: round.map((one) => one.files_downloaded),
    files_uploaded: round.map((one) => one.files_uploaded),
    sync_lag_seconds: round.map((one) => one.sync_lag_seconds),
  };
}
