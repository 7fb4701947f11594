import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { anyOf } from '../lib/signals.ts';
import type { ConnectionParts } from './connection.ts';
import { ViewerDocument } from './generated/graphql.ts';
import { createHttpTransport } from './http.ts';
import type { Transport } from './transport.ts';
import { openWebSocket } from './websocket.ts';

/** So many tries to connect, or so long a time, and plain requests are tried as well. */
const TRIES = 3;
const TRYING_MS = 10_000;
const PROBE_WITHIN_MS = 5000;
/** The longest time between two tries to make a websocket: while there is nothing else, and while requests get through. */
const LONGEST_PAUSE_MS = { alone: 3000, besideHttp: 30_000 };

/** `onConnected` is also called when plain requests take over from the websocket, and when it takes over again. */
export type CarrierParts = Omit<ConnectionParts, 'onDisconnected' | 'longestPauseMs'>;

/** Carries everything over one websocket, and over plain requests for as long as only those get through. */
export function openCarrier(parts: CarrierParts): Transport {
  const { log } = parts;
  const http = createHttpTransport({ url: parts.url.replace(/^ws/, 'http'), credentials: parts.credentials });
  const trying = createPatience();
  let isHttp = false;
  let changed = new AbortController();
  const websocket = openWebSocket({
    ...parts,
    onConnected: () => {
      trying.end();
      if (isHttp) change('A websocket gets through to the server again');
      parts.onConnected();
    },
    onDisconnected: () => {
      trying.failed();
      if (!isHttp && trying.isOver()) void tryHttp();
    },
    longestPauseMs: () => (isHttp ? LONGEST_PAUSE_MS.besideHttp : LONGEST_PAUSE_MS.alone),
  });

  async function tryHttp(): Promise<void> {
    const works = await answers(http, log);
    // A websocket may have been made meanwhile.
    if (!works || isHttp || !trying.isOver()) return;
    change('No websocket gets through to the server: going on with plain requests');
    parts.onConnected();
  }

  function change(why: string): void {
    log.warn(why);
    isHttp = !isHttp;
    changed.abort(new Error(why));
    changed = new AbortController();
  }

  return {
    /** What is being asked when the way changes is asked again on the new one: every operation here is safe to repeat. */
    async request(operation, variables, signal) {
      for (;;) {
        const superseded = changed.signal;
        try {
          const within = anyOf(signal, superseded);
          return await (isHttp ? http : websocket).request(operation, variables, within);
        } catch (error) {
          if (signal.aborted || !superseded.aborted) throw error;
        }
      }
    },
    subscribe: (operation, variables, listener) => websocket.subscribe(operation, variables, listener),
    canSubscribe: () => !isHttp,
    close: () => websocket.close(),
  };
}

/** How long a websocket has been tried for. */
function createPatience() {
  let failures = 0;
  let since = performance.now();
  let isTrying = true;
  return {
    end() {
      isTrying = false;
    },
    failed() {
      if (isTrying) failures += 1;
      else [failures, since, isTrying] = [0, performance.now(), true];
    },
    isOver: () => isTrying && (failures >= TRIES || performance.now() - since >= TRYING_MS),
  };
}

async function answers(http: Transport, log: Logger): Promise<boolean> {
  try {
    await http.request(ViewerDocument, {}, AbortSignal.timeout(PROBE_WITHIN_MS));
    return true;
  } catch (error) {
    log.debug({ reason: messageOf(error) }, 'Plain requests do not get through to the server either');
    return false;
  }
}
