import { createKey, ensureAccount, authenticate, type Viewer } from '../../core/accounts/keys.ts';
import { parseInput } from '../../core/input.ts';
import { jobSpecWithoutPatterns, type JobSpec } from '../../core/jobs/spec.ts';
import { parseRanges } from '../../core/webhooks/guard.ts';
import { openCore, type OpenCore } from '../../core/open.ts';
import type { NewcomersOptions } from '../../core/agents/newcomers.ts';
import type { NewsPaceOptions } from '../../core/leases/news-pace.ts';
import type { Provider } from '../../core/scaling/provider.ts';
import type { TraceParts } from '../../core/traces/job-traces.ts';
import type { ApiKeyRole } from '../../db/entities/api-key.ts';
import { createDatabase, type TestDatabase } from './database.ts';

export const ADMIN_KEY = 'kelpie_admin_of_the_tests';

export const MASTER_KEY = 'master key of the tests';

export interface TestCore {
  core: OpenCore;
  database: TestDatabase;
  /** An owner's key of an account of its own. */
  account: (role?: ApiKeyRole, username?: string) => Promise<{ viewer: Viewer; secret: string }>;
  close: () => Promise<void>;
}

/** Stands before databases. */
export interface Pooler {
  /** The address of a database by way of it. */
  before(url: string): string;
}

/** The core, open on a database of its own, which is empty where it is reached by a pooler. Nothing periodic runs: a test calls what it tests. */
export async function openTestCore(
  options: {
    maxConnections?: number;
    provider?: Provider;
    pooler?: Pooler;
    traces?: TraceParts;
    newcomers?: NewcomersOptions;
    news?: NewsPaceOptions;
    turnPatienceMs?: number;
  } = {},
): Promise<TestCore> {
  const { pooler } = options;
  const database = await createDatabase({ empty: pooler !== undefined });
  const core = await openCore({
    ...(pooler === undefined
      ? { databaseUrl: database.url }
      : { databaseUrl: pooler.before(database.url), directUrl: database.url }),
    masterKey: MASTER_KEY,
    adminKey: ADMIN_KEY,
    maxConnections: options.maxConnections,
    provider: options.provider,
    traces: options.traces,
    newcomers: options.newcomers,
    news: options.news,
    turnPatienceMs: options.turnPatienceMs,
    webhookAllowed: parseRanges('127.0.0.0/8'),
    onError: () => undefined,
  });
  let accounts = 0;
  return {
    core,
    database,
    account: async (role = 'OWNER', username = `account-${++accounts}`) => {
      const { id } = await ensureAccount(core, username);
      const { secret } = await createKey(core, { accountId: id, role });
      const viewer = await authenticate(core, secret);
      if (viewer === undefined) throw new Error('A key that was just made is not known');
      return { viewer, secret };
    },
    close: async () => {
      await core.close();
      await database.drop();
    },
  };
}

/** A submission with what the test cares about, and defaults for the rest. */
export function spec(part: object = {}): JobSpec {
  return parseInput(jobSpecWithoutPatterns, { command: 'true', containerGroupId: 'group', ...part });
}
