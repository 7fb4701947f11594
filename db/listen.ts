import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { outside } from '../lib/outside.ts';
import { atMost, pause } from '../lib/pause.ts';

/**
 * What may have changed: the state of jobs; what their commands wrote, which is told apart because few read it; keys, which may no
 * longer be good. No payload matters: it says that something was committed, and the reader looks for itself.
 */
export type Topic = 'jobs' | 'logs' | 'keys';
const CHANNELS = { jobs: 'kelpie', logs: 'kelpie_logs', keys: 'kelpie_keys' } as const satisfies Record<Topic, string>;
const TOPICS = ['keys', 'logs', 'jobs'] as const satisfies Topic[];
/** About 50 notifications a second per server, however many jobs change. */
const ANNOUNCE_EVERY_MS = 20;
const RECONNECT_AFTER_MS = 500;
/** What failed over a connection that stays would fail again at once, for as long as the reason lasts. */
const SAY_AGAIN_AFTER_MS = 500;
const GOODBYE_MS = 1_000;
/** A connection over which nothing is answered for so long is given up, and made anew. */
const ANSWER_WITHIN_MS = 10_000;
/** Who only listens would not notice that nobody is there any more, and TCP by itself only after hours: so something is asked. */
const LOOK_EVERY_MS = 10_000;

export interface Announcements {
  /**
   * Tells every server that something was committed. Cheap to call often: calls within 20 ms become one NOTIFY a topic. What cannot be said
   * because the connection is lost is said over the next one.
   */
  announce(topic?: Topic): void;
  stop(): Promise<void>;
}

export interface AnnouncementOptions {
  url: string;
  onChange: (topic: Topic) => void;
  onError: (error: Error) => void;
  /** How often is asked whether the other side is there, and how long its answer may take, in milliseconds (10,000 each). */
  lookEveryMs?: number;
  answerWithinMs?: number;
}

/**
 * Listens and announces on one connection of its own, never inside a job's transaction, so that no claim waits for
 * PostgreSQL's notification lock. `onChange` is called for each notification, and for all after every reconnection, because
 * whatever was announced meanwhile was missed: notification is a hint, reading is the truth.
 */
export function startAnnouncements(options: AnnouncementOptions): Announcements {
  const stopping = new AbortController();
  let client: pg.Client | undefined;
  let scheduled: NodeJS.Timeout | undefined;
  // By a clock that nobody sets: set back, another would have everybody wait for what it was set back by.
  let lastSent = -Infinity;
  let sending = false;
  const unsaid = new Set<Topic>();

  const announce = (topic: Topic = 'jobs'): void => {
    unsaid.add(topic);
    if (!sending) schedule();
  };
  // The first one goes at once, for latency's sake; those that follow within the window share the next.
  const schedule = (waitMs = Math.max(0, lastSent + ANNOUNCE_EVERY_MS - performance.now())): void => {
    if (stopping.signal.aborted) return;
    scheduled ??= outside(() => setTimeout(() => void send(), waitMs));
  };
  const send = async (): Promise<void> => {
    scheduled = undefined;
    const speaker = client;
    // Kept: the next connection says it.
    if (speaker === undefined) return;
    lastSent = performance.now();
    sending = true;
    const topics = [...unsaid];
    unsaid.clear();
    // One at a time: a slow database is not given a queue of them, and what came meanwhile is said by one more.
    const isSaid = await say(speaker, topics).catch((error: unknown) => {
      options.onError(error as Error);
      return false;
    });
    sending = false;
    if (!isSaid) for (const topic of topics) unsaid.add(topic);
    if (unsaid.size > 0) schedule(isSaid || client !== speaker ? undefined : SAY_AGAIN_AFTER_MS);
  };
  const listening = keepListening(options, stopping.signal, (next) => {
    client = next;
    if (client === undefined || unsaid.size === 0 || sending) return;
    // It has not failed over this one yet.
    clearTimeout(scheduled);
    scheduled = undefined;
    schedule();
  });

  return {
    announce,
    async stop() {
      clearTimeout(scheduled);
      stopping.abort();
      await listening;
    },
  };
}

async function say(speaker: pg.Client, topics: readonly Topic[]): Promise<true> {
  await speaker.query(topics.map((topic) => `notify ${CHANNELS[topic]}`).join('; '));
  return true;
}

async function keepListening(
  { lookEveryMs = LOOK_EVERY_MS, answerWithinMs = ANSWER_WITHIN_MS, ...options }: AnnouncementOptions,
  stopping: AbortSignal,
  use: (client: pg.Client | undefined) => void,
): Promise<void> {
  const limits = { connectionTimeoutMillis: answerWithinMs, query_timeout: answerWithinMs };
  while (!stopping.aborted) {
    const client = new pg.Client({ connectionString: options.url, keepAlive: true, ...limits });
    const over = new AbortController();
    // Before connect: without a listener, a restart of the database would end this process.
    client.on('error', options.onError);
    client.on('notification', ({ channel }) => {
      for (const topic of TOPICS) if (CHANNELS[topic] === channel) options.onChange(topic);
    });
    try {
      await client.connect();
      const ended = new Promise<void>((resolve) => {
        client.once('end', () => resolve());
        // Asked first: who was aborted while we were connecting tells nobody again.
        if (stopping.aborted) resolve();
        stopping.addEventListener('abort', () => resolve(), { once: true, signal: over.signal });
      });
      // A notification is a commit: by default the announcer, and all who wait for its word, would wait for the disk as well.
      await client.query('set synchronous_commit = off');
      for (const topic of TOPICS) await client.query(`listen ${CHANNELS[topic]}`);
      use(client);
      for (const topic of TOPICS) options.onChange(topic);
      await Promise.race([ended, untilSilent(client, lookEveryMs, over.signal)]);
    } catch (error) {
      options.onError(error as Error);
    }
    over.abort();
    use(undefined);
    // The other side may be silent, and then never says goodbye.
    await atMost(
      GOODBYE_MS,
      client.end().catch(() => undefined),
    );
    await delay(RECONNECT_AFTER_MS, undefined, { signal: stopping }).catch(() => undefined);
  }
}

/** @throws when nothing is answered any more */
async function untilSilent(client: pg.Client, everyMs: number, over: AbortSignal): Promise<void> {
  for (;;) {
    await pause(everyMs, over);
    if (over.aborted) return;
    await client.query('select 1');
  }
}
