import { Gauge, type Registry } from 'prom-client';
import { isDatabaseAway } from '../core/expected.ts';
import type { OpenCore } from '../core/open.ts';
import { readQueues, readVitalSigns } from '../core/vitals/signs.ts';
import { atMost } from '../lib/pause.ts';
import type { Logger } from './log.ts';

/** So many container groups are named; whoever may submit can make up as many as they like. */
const MOST_QUEUES = 100;
/** The database is asked at most once in so long, and counting takes at most a tenth of the time, however long the queues are. */
const AT_MOST_EVERY_MS = 5_000;
const REST_PER_WORK = 9;
/** Whoever scrapes waits no longer than this for the database: what is of this process is worth knowing without it. */
const PATIENCE_MS = 3_000;
/**
 * A turn whose connections have gone silent ends when the last of them is given up: by then the database may long be there again, so another is
 * begun beside it. Longer than all statements of a turn may take.
 */
const SILENT_MS = 60_000;
const MOST_TURNS = 2;

export interface VitalGauges {
  /** Asks the database, unless that was done just now. Never fails: that the database does not answer is a figure too. */
  refresh(): Promise<void>;
}

/** Gauges that are read at once. */
interface Part {
  /** @returns what shows the figures that were read */
  read(): Promise<() => void>;
  /** What is not known is not told: a figure that stands still would look like peace. */
  forget(): void;
}

/** One reading of all parts, in their order. */
interface Turn {
  began: number;
  /** Those that have not answered yet. */
  left: Set<Part>;
  done: Promise<void>;
}

/**
 * Gauges of what the whole installation has to do. All servers tell the same.
 * @param options.atMostEveryMs how long what the database told is told again (5,000)
 */
export function createVitalGauges(
  core: OpenCore,
  registers: Registry[],
  { log, atMostEveryMs = AT_MOST_EVERY_MS }: { log: Logger; atMostEveryMs?: number | undefined },
): VitalGauges {
  const parts = [reachability(core, registers), vitalSigns(core, registers), queues(core, registers)];
  let newest: Turn | undefined;
  let unfinished = 0;
  let freshUntil = 0;

  const run = async (turn: Turn): Promise<void> => {
    for (const part of parts) {
      try {
        const show = await part.read();
        if (turn === newest) show();
      } catch (error) {
        log.warn({ err: error }, 'Some vital signs could not be read');
        // That a statement has failed says nothing of the others, unless there is nobody to ask, or no connection to ask on.
        const isNobodyThere = isDatabaseAway(error);
        const unknown = isNobodyThere ? [...turn.left] : [part];
        if (turn === newest) unknown.forEach((one) => one.forget());
        if (isNobodyThere) break;
      }
      turn.left.delete(part);
    }
    unfinished -= 1;
    if (turn !== newest) return;
    newest = undefined;
    const now = performance.now();
    freshUntil = now + Math.max(atMostEveryMs, (now - turn.began) * REST_PER_WORK);
  };
  const begin = (): void => {
    unfinished += 1;
    const turn: Turn = { began: performance.now(), left: new Set(parts), done: Promise.resolve() };
    newest = turn;
    turn.done = run(turn);
  };
  const isDue = (): boolean => {
    const now = performance.now();
    return newest === undefined ? now >= freshUntil : now >= newest.began + SILENT_MS;
  };

  return {
    async refresh() {
      if (isDue() && unfinished < MOST_TURNS) begin();
      const turn = newest;
      if (turn === undefined) return;
      await atMost(PATIENCE_MS, turn.done);
      if (turn === newest) turn.left.forEach((part) => part.forget());
    },
  };
}

function reachability(core: OpenCore, registers: Registry[]): Part {
  const up = makeGauge(registers, 'database_up', 'Whether the database answers this server');
  return {
    async read() {
      await core.ping();
      return () => up.set(1);
    },
    forget: () => up.set(0),
  };
}

function vitalSigns(core: OpenCore, registers: Registry[]): Part {
  const make = (name: string, help: string) => makeGauge(registers, name, help);
  const gauges = {
    liveAttempts: make('attempts_live', 'Attempts that live'),
    leaseOverdueSeconds: make(
      'lease_overdue_seconds',
      'For how long the first lease that ran out has not been noticed',
    ),
    pendingWebhooks: make('webhooks_pending', 'Webhooks that are neither delivered nor given up'),
    webhookOverdueSeconds: make('webhook_overdue_seconds', 'For how long the first of them is due'),
    eventLagSeconds: make(
      'event_lag_seconds',
      'The age of the oldest event that this server has not handed out in order',
    ),
  } as const;
  return {
    async read() {
      const signs = await readVitalSigns(core);
      return () => {
        gauges.liveAttempts.set(signs.liveAttempts);
        gauges.leaseOverdueSeconds.set(signs.leaseOverdueSeconds);
        gauges.pendingWebhooks.set(signs.pendingWebhooks);
        gauges.webhookOverdueSeconds.set(signs.webhookOverdueSeconds);
        gauges.eventLagSeconds.set(signs.eventLagSeconds);
      };
    },
    forget: () => Object.values(gauges).forEach((gauge) => gauge.remove()),
  };
}

function queues(core: OpenCore, registers: Registry[]): Part {
  const perGroup = (name: string, help: string) => makeGauge(registers, name, help, ['container_group']);
  const single = (name: string, help: string) => makeGauge(registers, name, help);
  const idle = 'The same, of those in which nothing runs meanwhile; 0 where something does';
  const named = {
    pending: perGroup('queue_jobs', 'Pending jobs, of the container groups with the deepest queues'),
    oldest: perGroup('queue_oldest_seconds', 'For how long the job waits that was submitted first to these groups'),
    idle: perGroup('queue_idle_seconds', idle),
  };
  const others = {
    groups: single('queue_other_groups', 'Container groups with pending jobs that are not named'),
    pending: single('queue_other_jobs', 'Pending jobs of those'),
    oldest: single('queue_other_oldest_seconds', 'For how long the first job of any of those waits, at most'),
    idle: single('queue_other_idle_seconds', idle),
  };
  const forgetNamed = (): void => Object.values(named).forEach((gauge) => gauge.reset());
  return {
    async read() {
      const found = await readQueues(core, { mostNamed: MOST_QUEUES });
      return () => {
        forgetNamed();
        for (const { containerGroupId, pending, oldestSeconds, idleSeconds } of found.named) {
          const labels = { container_group: containerGroupId };
          named.pending.set(labels, pending);
          named.oldest.set(labels, oldestSeconds);
          named.idle.set(labels, idleSeconds);
        }
        others.groups.set(found.others.groups);
        others.pending.set(found.others.pending);
        others.oldest.set(found.others.oldestSeconds);
        others.idle.set(found.others.idleSeconds);
      };
    },
    forget() {
      forgetNamed();
      Object.values(others).forEach((gauge) => gauge.remove());
    },
  };
}

function makeGauge(registers: Registry[], name: string, help: string, labelNames: string[] = []): Gauge {
  return new Gauge({ name: `kelpie_${name}`, help, registers, labelNames });
}
