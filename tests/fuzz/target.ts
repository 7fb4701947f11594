import { randomUUID } from 'node:crypto';
import { createKey, ensureAccount } from '../../core/accounts/keys.ts';
import { openCore } from '../../core/open.ts';
import { createApp } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import type { KeyName } from './requests.ts';

const ADMIN_KEY = 'kelpie_admin_of_the_fuzzer';

/** A whole server on loopback, with keys of every role. */
export interface Target {
  url: string;
  keys: Record<KeyName, string | undefined>;
  accountIds: string[];
  /** New accounts and keys: somebody has cleared the old ones. */
  renew(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTarget(databaseUrl: string, logLevel: string): Promise<Target> {
  const core = await openCore({
    databaseUrl,
    masterKey: 'master key of the fuzzer',
    adminKey: ADMIN_KEY,
    onError: (error) => process.stderr.write(`${error.message}\n`),
  });
  const app = createApp({ core, log: createLog(logLevel) });
  const url = await app.start({ host: '127.0.0.1', port: 0 });
  const target: Target = {
    url,
    keys: {
      owner: '',
      submitter: '',
      agent: '',
      viewer: '',
      stranger: '',
      admin: ADMIN_KEY,
      unknown: 'unknown',
      none: undefined,
    },
    accountIds: [],
    async renew() {
      const own = await ensureAccount(core, `fuzzer-${randomUUID()}`);
      const other = await ensureAccount(core, `stranger-${randomUUID()}`);
      const keyOf = async (accountId: string, role: 'OWNER' | 'SUBMITTER' | 'AGENT' | 'VIEWER') =>
        (await createKey(core, { accountId, role })).secret;
      target.keys.owner = await keyOf(own.id, 'OWNER');
      target.keys.submitter = await keyOf(own.id, 'SUBMITTER');
      target.keys.agent = await keyOf(own.id, 'AGENT');
      target.keys.viewer = await keyOf(own.id, 'VIEWER');
      target.keys.stranger = await keyOf(other.id, 'OWNER');
      target.accountIds = [own.id, other.id];
    },
    async stop() {
      await app.stop();
      await core.close();
    },
  };
  await target.renew();
  return target;
}
