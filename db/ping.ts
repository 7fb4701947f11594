import pg from 'pg';
import { atMost } from '../lib/pause.ts';

/** In milliseconds: whoever asks waits no longer for the connection, nor for the answer on it. */
const CONNECT_WITHIN_MS = 1_500;
const ANSWER_WITHIN_MS = 1_000;
const GOODBYE_MS = 1_000;

export interface Ping {
  /**
   * Whether the database answers just now. Who asks while that is being asked shares the answer.
   * @throws when it does not
   */
  ask(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Asks on a connection of its own, made when somebody asks first: all of a pool's may be busy with a database that is well. It is kept, as
 * whoever probes may do so often, and without a key.
 */
export function createPing(url: string): Ping {
  let kept: pg.Client | undefined;
  let underWay: Promise<void> | undefined;
  let isClosed = false;

  const forget = async (client: pg.Client): Promise<void> => {
    if (kept === client) kept = undefined;
    // One whose other side is silent is never closed politely.
    await atMost(
      GOODBYE_MS,
      client.end().catch(() => undefined),
    );
  };
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({
      ...{ connectionString: url, keepAlive: true },
      ...{ connectionTimeoutMillis: CONNECT_WITHIN_MS, query_timeout: ANSWER_WITHIN_MS },
    });
    // Before connect: without a listener, a restart of the database would end this process.
    client.on('error', () => void forget(client));
    await client.connect();
    kept = client;
    return client;
  };
  const askOn = async (client: pg.Client): Promise<void> => {
    try {
      await client.query('select 1');
    } catch (error) {
      void forget(client);
      throw unanswered(error);
    }
  };
  const ask = async (): Promise<void> => {
    const known = kept;
    // A connection that has rested may be gone without a word, which says nothing of the database.
    if (known !== undefined && (await isAnswered(askOn(known)))) return;
    if (isClosed) throw new Error('The database was asked whether it is there after it was closed');
    await askOn(await connect());
  };

  return {
    ask: () => (underWay ??= ask().finally(() => (underWay = undefined))),
    async close() {
      isClosed = true;
      await underWay?.catch(() => undefined);
      if (kept !== undefined) await forget(kept);
    },
  };
}

async function isAnswered(asked: Promise<void>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  );
}

/** The driver's own word for it says neither what was waited for nor how long, and has no code. */
function unanswered(error: unknown): unknown {
  const isLate = error instanceof Error && error.message === 'Query read timeout';
  if (!isLate) return error;
  const message = `The database did not answer within ${ANSWER_WITHIN_MS} ms`;
  return Object.assign(new Error(message, { cause: error }), { code: 'ETIMEDOUT' });
}
