import type { AttemptPhase } from '../../db/entities/attempt.ts';
import type { Owner } from '../../db/plain.ts';
import type { Alone } from './alone.ts';
import type { Fence } from './terms.ts';
import { writtenBy, writtenTogether } from './together.ts';
import type { TransferredColumns } from './transferred.ts';

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

const renewStatement = writtenBy<Held>('renew-leases');

/** Renews one lease; undefined when it does not hold (rules 2 and 3). What is returned is committed. */
export type Renew = (renewal: Renewal) => Promise<Held | undefined>;

export function createRenewals(owner: Owner, alone: Alone, often: Often): Renew {
  const renew = writtenTogether(owner, alone, renewStatement);
  return (renewal) => renew({ ...renewal, ...often });
}
