import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { isAborted } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import type { Slots } from '../lib/slots.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';

/** Lets the agent take its next job while the files of this one are still on their way. */
export interface HandOver {
  /** Resolves when the attempt has made way, so that the next job may begin; stays open when it does not. */
  readonly done: Promise<void>;
  /** The command has succeeded: from now on the attempt may make way, as soon as no other one uploads behind a job. */
  begin(): void;
  /** The attempt is settled, so there is nothing to make way for any more. */
  cease(): void;
  /** Everything of the attempt is cleaned up. Resolves when its place behind the next job is free again. */
  end(): Promise<void>;
}

export interface HandOverParts {
  /** For one attempt that uploads behind a running one; nothing where uploads are not to overlap. */
  berth: Slots | undefined;
  sync: Pick<AttemptSync, 'makeWay'>;
  /** Aborted when no further job is taken, or when this one is no longer this agent's. */
  over: AbortSignal;
  log: Logger;
}

export function createHandOver({ berth, sync, over, log }: HandOverParts): HandOver {
  const done = Promise.withResolvers<undefined>();
  const ended = Promise.withResolvers<undefined>();
  const ceased = new AbortController();
  const pointless = anyOf(over, ceased.signal);
  let staying: Promise<void> | undefined;

  async function makeWay(): Promise<void> {
    if (isAborted(pointless) || !(await sync.makeWay())) return;
    log.debug('The next job may begin while the files of this one are uploaded');
    done.resolve(undefined);
    await ended.promise;
  }

  return {
    done: done.promise,
    begin() {
      staying = berth?.hold(pointless, makeWay).catch((error: unknown) => {
        if (!isAborted(pointless))
          log.warn({ reason: messageOf(error) }, 'The attempt could not make way for the next');
      });
    },
    cease: () => ceased.abort(),
    async end() {
      ceased.abort();
      ended.resolve(undefined);
      await staying;
    },
  };
}
