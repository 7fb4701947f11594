import { join } from 'node:path';
import { z } from 'zod';
import { authenticate, createKey, ensureAccount, type Viewer } from '../../core/accounts/keys.ts';
import { openCore, type CoreOptions, type OpenCore } from '../../core/open.ts';
import { startProgram, type Program } from '../../deploy/local/program.ts';
import { say } from './stats.ts';

export const MASTER_KEY = 'only of this benchmark';

/** A core, and the owner of what a benchmark puts into its database. */
export interface Owned {
  core: OpenCore;
  viewer: Viewer;
  key: string;
}

/** What fails and is tried again is printed. */
export async function openOwned(databaseUrl: string, options: Partial<CoreOptions> = {}): Promise<Owned> {
  const onError = (error: Error): void => say(`  ${error.message}`);
  const core = await openCore({ databaseUrl, masterKey: MASTER_KEY, onError, ...options });
  const { id: accountId } = await ensureAccount(core, 'bench');
  const { secret: key } = await createKey(core, { accountId, role: 'OWNER' });
  const viewer = await authenticate(core, key);
  if (viewer === undefined) throw new Error('A key that was just made is not known');
  return { core, viewer, key };
}

/** A server as a process of its own, which logs into this directory. */
export async function startServer(
  databaseUrl: string,
  directory: string,
  settings: Record<string, string> = {},
): Promise<{ server: Program; url: string }> {
  const server = startProgram('server', ['server/main.ts'], {
    log: join(directory, 'server.log'),
    environment: { DATABASE_URL: databaseUrl, KELPIE_MASTER_KEY: MASTER_KEY, KELPIE_PORT: '0', ...settings },
  });
  const line = await server.line((text) => text.includes('"msg":"Listening"'));
  return { server, url: z.object({ url: z.string() }).parse(JSON.parse(line)).url };
}
