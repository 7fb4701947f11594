import { Gauge, type Registry } from 'prom-client';
import type { OpenCore } from '../core/open.ts';
import { readVitalSigns, type VitalSigns } from '../core/vitals/signs.ts';
import { atMost } from '../lib/pause.ts';
import type { Logger } from './log.ts';

/** So many container groups are named; whoever may submit can make up as many as they like. */
const MOST_QUEUES = 100;
/** The database is asked at most once in so long, and counting takes at most a tenth of the time, however long the queues are. */
const AT_MOST_EVERY_MS = 5_000;
const REST_PER_WORK = 9;
/** Whoever scrapes waits no longer than this for the database: what is of this process is worth knowing without it. */
const PATIENCE_MS = 3_000;

export interface VitalGauges {
  /** Asks the database, unless that was done just now. Never fails: that the database does not answer is a figure too. */
  refresh(): Promise<void>;
}

/** Gauges of what the whole installation has to do. All servers tell the same. */
export function createVitalGauges(core: OpenCore, registers: Registry[], log: Logger): VitalGauges {
  const gauges = makeGauges(registers);
  let underWay: Promise<void> | undefined;
  let freshUntil = 0;
  const read = async (): Promise<void> => {
    const began = performance.now();
    try {
      gauges.show(await readVitalSigns(core, { mostQueues: MOST_QUEUES }));
    } catch (error) {
      gauges.forget();
      log.warn({ err: error }, 'The vital signs could not be read');
    }
    const took = performance.now() - began;
    freshUntil = performance.now() + Math.max(AT_MOST_EVERY_MS, took * REST_PER_WORK);
    underWay = undefined;
  };
  return {
    async refresh() {
      if (performance.now() >= freshUntil) underWay ??= read();
      if (underWay !== undefined) await atMost(PATIENCE_MS, underWay);
    },
  };
}

function makeGauges(registers: Registry[]) {
  const make = (name: string, help: string) => new Gauge({ name: `kelpie_${name}`, help, registers });
  const perGroup = (name: string, help: string) =>
    new Gauge({ name: `kelpie_${name}`, help, registers, labelNames: ['container_group'] });
  const up = make('database_up', 'Whether the database answered when the vital signs were read');
  const queueJobs = perGroup('queue_jobs', 'Pending jobs, of the container groups with the deepest queues');
  const queueOldest = perGroup('queue_oldest_seconds', 'The age of the oldest pending job of these groups');
  const single = {
    otherGroups: make('queue_other_groups', 'Container groups with pending jobs that are not named'),
    otherJobs: make('queue_other_jobs', 'Pending jobs of those'),
    otherOldest: make('queue_other_oldest_seconds', 'The age of the oldest of those'),
    liveAttempts: make('attempts_live', 'Attempts that live'),
    leaseOverdue: make('lease_overdue_seconds', 'For how long the first lease that ran out has not been noticed'),
    webhooks: make('webhooks_pending', 'Webhooks that are neither delivered nor given up'),
    webhookOverdue: make('webhook_overdue_seconds', 'For how long the first of them is due'),
    eventLag: make('event_lag_seconds', 'The age of the oldest event that this server has not handed out in order'),
  };
  const forgetQueues = (): void => [queueJobs, queueOldest].forEach((gauge) => gauge.reset());
  return {
    show(signs: VitalSigns): void {
      up.set(1);
      forgetQueues();
      for (const { containerGroupId, pending, oldestSeconds } of signs.queues) {
        queueJobs.set({ container_group: containerGroupId }, pending);
        queueOldest.set({ container_group: containerGroupId }, oldestSeconds);
      }
      single.otherGroups.set(signs.others.groups);
      single.otherJobs.set(signs.others.pending);
      single.otherOldest.set(signs.others.oldestSeconds);
      single.liveAttempts.set(signs.liveAttempts);
      single.leaseOverdue.set(signs.leaseOverdueSeconds);
      single.webhooks.set(signs.pendingWebhooks);
      single.webhookOverdue.set(signs.webhookOverdueSeconds);
      single.eventLag.set(signs.eventLagSeconds);
    },
    /** What is not known is not told: a figure that stands still would look like peace. */
    forget(): void {
      up.set(0);
      forgetQueues();
      for (const gauge of Object.values(single)) gauge.remove();
    },
  };
}
