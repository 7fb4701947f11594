import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createKey, ensureAccount } from '../../core/accounts/keys.ts';
import { openCore } from '../../core/open.ts';
import { type S3, startS3 } from '../../deploy/local/s3.ts';
import { type ApiClient, createApiClient } from './client.ts';
import { type Database, startDatabase } from './database.ts';
import { createFleet, type Fleet } from './fleet.ts';
import type { Random } from './random.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import type { Extent } from './schedule.ts';
import { type Servers, startServers } from './servers.ts';
import { openStoreDoor, type StoreDoor } from './store.ts';

export const BUCKET = 'chaos';
export const GROUP = 'chaos';

/** Everything that takes part in a run, on loopback. */
export interface World {
  directory: string;
  database: Database;
  s3: S3;
  door: StoreDoor;
  servers: Servers;
  fleet: Fleet;
  receiver: Receiver;
  api: ApiClient;
  keys: { owner: string; agent: string };
  /** Processes that ended unasked. */
  deaths: string[];
  stop(): Promise<void>;
}

/** Starts it; aborted by `signal`, ends what it has begun, and throws. */
export async function startWorld(
  directory: string,
  extent: Extent,
  random: Random,
  signal: AbortSignal,
): Promise<World> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let end = stops.pop(); end !== undefined; end = stops.pop()) await end();
  };
  const part = async <Part>(start: () => Promise<Part>, end: (part: Part) => Promise<void>): Promise<Part> => {
    signal.throwIfAborted();
    const started = await start();
    stops.push(() => end(started));
    return started;
  };
  const deaths: string[] = [];
  const onDeath = (what: string): void => void deaths.push(what);
  try {
    await Promise.all(['agents', 'servers', 'records'].map((name) => mkdir(join(directory, name))));
    const database = await part(
      () => startDatabase(join(directory, 'postgres')),
      (it) => it.stop(),
    );
    const s3 = await part(
      () => startS3({ buckets: [BUCKET] }),
      (it) => it.stop(),
    );
    const masterKey = randomBytes(24).toString('base64url');
    const keys = await provision(database.url, masterKey);
    const door = await part(
      () => openStoreDoor(s3.url, random.fork('store')),
      (it) => it.close(),
    );
    const receiver = await part(startReceiver, (it) => it.close());
    const environment = {
      DATABASE_URL: database.url,
      KELPIE_MASTER_KEY: masterKey,
      KELPIE_WEBHOOK_ALLOW: '127.0.0.0/8',
    };
    const servers = await part(
      () => startServers({ count: extent.servers, directory: join(directory, 'servers'), environment, onDeath }),
      (it) => it.stop(),
    );
    let turn = 0;
    const serverPort = (): number | undefined => servers.ports().at(turn++ % Math.max(1, servers.ports().length));
    const fleetParts = { directory: join(directory, 'agents'), group: GROUP, apiKey: keys.agent, onDeath };
    const fleet = await part(
      () => createFleet({ ...fleetParts, count: extent.agents, serverPort, storePort: door.port }),
      (it) => it.stop(),
    );
    for (const place of fleet.places) fleet.start(place, false);
    const api = createApiClient(() => servers.ports());
    return { directory, database, s3, door, servers, fleet, receiver, api, keys, deaths, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function provision(databaseUrl: string, masterKey: string): Promise<World['keys']> {
  const core = await openCore({ databaseUrl, masterKey, onError: () => undefined });
  try {
    const { id: accountId } = await ensureAccount(core, 'chaos');
    const owner = await createKey(core, { accountId, role: 'OWNER' });
    const agent = await createKey(core, { accountId, role: 'AGENT' });
    return { owner: owner.secret, agent: agent.secret };
  } finally {
    await core.close();
  }
}
