import { pause } from '../../lib/pause.ts';

/** So long nothing may be told before a heartbeat is, so that no proxy takes the connection for dead (milliseconds). */
const HEARTBEAT_MS = 15_000;

/** A comment, which readers of server-sent events pass over. */
export const HEARTBEAT = ':\n\n';

export const SILENCE: unique symbol = Symbol('nothing has come yet');

/** What comes, or that it takes long; what comes then is still to come. */
export async function orSilence<Value>(
  coming: Promise<Value>,
  afterMs = HEARTBEAT_MS,
): Promise<Value | typeof SILENCE> {
  const arrived = new AbortController();
  const silence = pause(afterMs, arrived.signal).then((): typeof SILENCE => SILENCE);
  try {
    return await Promise.race([coming, silence]);
  } finally {
    arrived.abort();
  }
}
