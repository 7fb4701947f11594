import type { Logger } from 'pino';
import { backoffMillis } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import { pause } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import { createSlots, type Slots } from '../lib/slots.ts';
import { MetadataRefusal, type MetadataService } from './imds.ts';
import { IDLE_COST } from './occupation.ts';

/** The instance of Salad's that this agent runs in; elsewhere somebody who hears nothing and does nothing. */
export interface Instance {
  /** What it would cost to lose it now. Never waits: of several costs that are not told yet, the last one is told. */
  readonly costs: (cost: number) => void;
  /** Asks for another machine. @returns whether that was granted; false also where there is nobody to ask */
  reallocate(reason: string, signal: AbortSignal): Promise<boolean>;
  /** Asks to be made anew from its image. @returns as `reallocate` */
  recreate(signal: AbortSignal): Promise<boolean>;
  /** Says nothing after this. */
  stop(): void;
}

export interface InstanceParts {
  /** undefined: there is none. */
  service: MetadataService | undefined;
  /** It is known to be there, as nothing works without it: then it may be late. */
  isExpected: boolean;
  log: Logger;
}

/** Where there is no such service, this is how long it takes to know. */
const PROBE_WITHIN_MS = 1000;
const AFTER_FAILURE = { baseMs: 500, capMs: 10_000 };
const DEMANDED_AT_MOST = 3;

/**
 * Looks once whether the service is there, by telling it that this instance is idle; where it is not, it is never asked again.
 * Requests go one after the other. Nothing here rejects, and no failure is the agent's.
 */
export function createInstance({ service, isExpected, log }: InstanceParts): Instance {
  const over = new AbortController();
  const turns = createSlots(1);
  const finding = find({ service, isExpected, log }, over.signal);

  async function demand(ask: (found: MetadataService) => Promise<void>, signal: AbortSignal): Promise<boolean> {
    const { found } = await finding;
    for (let failures = 0; found !== undefined && failures < DEMANDED_AT_MOST && !signal.aborted;) {
      try {
        await turns.hold(signal, () => ask(found));
        return true;
      } catch (error) {
        log.debug({ reason: messageOf(error) }, 'The instance metadata service did not do as it was asked');
        await pause(backoffMillis(failures++, AFTER_FAILURE), signal);
      }
    }
    return false;
  }

  return {
    costs: tellingCosts({ finding, turns, over: over.signal, log }),
    reallocate: (reason, signal) => demand((found) => found.reallocate(reason, signal), signal),
    recreate: (signal) => demand((found) => found.recreate(signal), signal),
    stop: () => over.abort(),
  };
}

/** The service, if it is there, and the cost that it knows of by now. */
interface Finding {
  found: MetadataService | undefined;
  told?: number;
}

async function find({ service, isExpected, log }: InstanceParts, over: AbortSignal): Promise<Finding> {
  if (service === undefined) return { found: undefined };
  try {
    await service.setDeletionCost(IDLE_COST, anyOf(over, AbortSignal.timeout(PROBE_WITHIN_MS)));
    log.info('Salad’s instance metadata service is here');
    return { found: service, told: IDLE_COST };
  } catch (error) {
    if (isExpected || isPassing(error)) return { found: service };
    const detail = { reason: messageOf(error) };
    if (!over.aborted) log.info(detail, 'Salad’s instance metadata service is not here, and is not asked again');
    return { found: undefined };
  }
}

/** Somebody is there, who is out of order for the moment. */
function isPassing(error: unknown): boolean {
  return error instanceof MetadataRefusal && (error.status >= 500 || error.status === 429);
}

interface Telling {
  finding: Promise<Finding>;
  turns: Slots;
  over: AbortSignal;
  log: Logger;
}

/** A cost that is not told would have an idle instance outlive a busy one, so it is repeated until it is. */
function tellingCosts({ finding, turns, over, log }: Telling): Instance['costs'] {
  let wanted = IDLE_COST;
  let told: number | undefined;
  let isTelling = false;

  async function tell(found: MetadataService): Promise<void> {
    isTelling = true;
    for (let failures = 0; wanted !== told && !over.aborted;) {
      const cost = wanted;
      try {
        await turns.hold(over, () => found.setDeletionCost(cost, over));
        [told, failures] = [cost, 0];
      } catch (error) {
        // Without an answer it may have been heard all the same.
        told = undefined;
        log.debug({ reason: messageOf(error), cost }, 'The deletion cost could not be told, and is told again');
        await pause(backoffMillis(failures++, AFTER_FAILURE), over);
      }
    }
    isTelling = false;
  }

  let service: MetadataService | undefined;
  void finding.then((result) => {
    ({ found: service, told } = result);
    if (service !== undefined) void tell(service);
  });
  return (cost) => {
    wanted = cost;
    if (service !== undefined && !isTelling) void tell(service);
  };
}
