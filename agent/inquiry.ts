import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { pause } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import type { ClaimAnswer, Link } from './link.ts';
import type { Shutdown } from './shutdown.ts';

export interface InquiryParts {
  shutdown: Pick<Shutdown, 'hurrying'>;
  log: Logger;
}

/** Asks the server for work. */
export interface Inquiry {
  /**
   * The server's answer, or nothing when it could not be had. That is told once, however often it happens in a row, and once that it is over.
   * @param over aborted when this agent wants no more work: what the server may have given just then is waited for no longer than a moment
   */
  ask(link: Pick<Link, 'claim'>, over: AbortSignal): Promise<ClaimAnswer | undefined>;
  /** How often in a row there was no answer. */
  failures(): number;
}

/** A claim that is under way when the agent is told to stop may have taken a job, which is then given back at once. */
const LAST_ANSWER_MS = 2000;

export function createInquiry({ shutdown, log }: InquiryParts): Inquiry {
  let failures = 0;
  return {
    failures: () => failures,
    async ask(link, over) {
      const answered = new AbortController();
      const giveUp = new AbortController();
      const limit = () => void pause(LAST_ANSWER_MS, answered.signal).then(() => giveUp.abort());
      over.addEventListener('abort', limit, { once: true });
      try {
        const answer = await link.claim(anyOf(giveUp.signal, shutdown.hurrying));
        if (failures > 0) log.info({ failures }, 'The server answers again when it is asked for work');
        failures = 0;
        return answer;
      } catch (error) {
        if (over.aborted) return undefined;
        failures += 1;
        const detail = { reason: messageOf(error), failures };
        log[failures === 1 ? 'warn' : 'debug'](detail, 'The server could not be asked for work');
        return undefined;
      } finally {
        answered.abort();
        over.removeEventListener('abort', limit);
      }
    },
  };
}
