import type { Topic } from '../db/listen.ts';
import type { EntityManager } from '../db/orm.ts';
import type { KeyLookup } from './accounts/key-lookup.ts';
import type { SecretBox } from './accounts/secret-box.ts';
import type { AgentLookup } from './agents/agent-lookup.ts';
import type { Newcomers } from './agents/newcomers.ts';
import type { Neighbours } from './events/neighbours.ts';
import type { Searches } from './jobs/searches.ts';
import type { LeaseTurns } from './leases/lease-turns.ts';
import type { NewsPace } from './leases/news-pace.ts';
import type { Renew } from './leases/renewal.ts';
import type { StoreReport } from './leases/reports.ts';
import type { Append } from './logs/appending.ts';
import type { GroupChecks } from './scaling/checks.ts';
import type { Provider } from './scaling/provider.ts';
import type { JobTraces } from './traces/job-traces.ts';

/** What every flow of the core stands on. */
export interface Core {
  readonly em: EntityManager;
  readonly secrets: SecretBox;
  /** How many bytes of an attempt's log are kept, within one chunk. */
  readonly logBytes: number;
  /** Who has the machines of container groups, where somebody is to scale them. */
  readonly provider: Provider | undefined;
  /** Asks them whether there is a group, account by account. */
  readonly groupChecks: GroupChecks | undefined;
  /** Who may search just now. */
  readonly searches: Searches;
  /** What thousands of agents ask and tell at once, answered and written for many of them by one statement. */
  readonly keyByHash: KeyLookup;
  readonly agentById: AgentLookup;
  readonly renew: Renew;
  readonly report: StoreReport;
  readonly append: Append;
  /** Of one lease one heartbeat is under way at a time. */
  readonly heartbeatTurns: LeaseTurns;
  /** How many agents an account may bring that are new, and how often what is new of an attempt becomes an event. */
  readonly newcomers: Newcomers;
  readonly newsPace: NewsPace;
  /** What runs in other databases of the cluster, and holds up nothing here. */
  readonly neighbours: Neighbours;
  /** Who is told of what becomes of jobs, for traces. */
  readonly traces: JobTraces;
  /** Says that a transaction has committed something that others may be waiting for: by default a change of a job. */
  announce(topic?: Topic): void;
}

/** Has something done once the transaction has committed; never when it has not. */
export type OnceCommitted = (tell: () => void) => void;

/**
 * One transaction, announced when it has committed. State, attempt, event and webhook delivery are written in it together
 * (rule 11).
 */
export async function transact<Result>(
  core: Core,
  work: (em: EntityManager, onceCommitted: OnceCommitted) => Promise<Result>,
): Promise<Result> {
  const told: (() => void)[] = [];
  const result = await core.em.fork().transactional((em) => work(em, (tell) => told.push(tell)));
  core.announce();
  for (const tell of told) tell();
  return result;
}
