import type { ServerResponse } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { OpenCore } from '../core/open.ts';
import { kindsOfFacts, listenFacts, type Fact } from '../core/vitals/facts.ts';
import { createVitalGauges } from './vital-gauges.ts';
import type { Logger } from './log.ts';

/** What this server counts and measures, for Prometheus. */
export interface Metrics {
  /** Asked for the number of open websockets when somebody wants to know. */
  watchSockets(count: () => number): void;
  /** Counts an answer over HTTP when it is over. */
  watchAnswer(door: 'graphql' | 'rest', response: ServerResponse): void;
  /** Counts that a turn of periodic work has failed. */
  periodicFailed(): void;
  /** Everything, in Prometheus' text format; what the database is asked for may be some seconds old. */
  read(): Promise<{ type: string; text: string }>;
}

/** Seconds from an interruption to the next claim: from "the next machine was waiting" to "there was none for hours". */
const RECOVERY_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200];

/**
 * Each of these goes over all that is open, two or three times for every look: with thousands of sockets the server is late by tens of
 * milliseconds. How many sockets and files there are is told all the same.
 */
const COUNTED_ONE_BY_ONE = [
  ...['nodejs_active_handles', 'nodejs_active_handles_total'],
  ...['nodejs_active_resources', 'nodejs_active_resources_total'],
  ...['nodejs_active_requests', 'nodejs_active_requests_total'],
];

/**
 * Metrics of one server. What happens to jobs is counted from the feed of events, which every server reads whole: of several servers'
 * counters take the largest, not the sum. What is of this process alone (sockets, answers, the pool) adds up.
 * @param options.atMostEveryMs how long what the database told is told again (5,000)
 */
export function createMetrics(core: OpenCore, log: Logger, options: { atMostEveryMs?: number } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of COUNTED_ONE_BY_ONE) registry.removeSingleMetric(name);
  listenFacts(core.feed, createCounters(registers));
  watchPool(core, registers);
  const vitals = createVitalGauges(core, registers, { ...options, log });
  const answers = new Counter({
    ...{ name: 'kelpie_http_answers_total', labelNames: ['door', 'status'], registers },
    help: 'Answers over HTTP of this server, by the class of their status',
  });
  const failures = new Counter({
    ...{ name: 'kelpie_periodic_failures_total', registers },
    help: 'Turns of this server’s periodic work that have failed, and were tried again',
  });
  return {
    watchSockets: (count) => watchSockets(count, registers),
    watchAnswer: (door, response) => {
      response.once('close', () => {
        // Whoever has hung up before the answer got none.
        const status = response.headersSent ? `${Math.floor(response.statusCode / 100)}xx` : 'none';
        answers.inc({ door, status });
      });
    },
    periodicFailed: () => failures.inc(),
    read: async () => {
      await vitals.refresh();
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

function createCounters(registers: Registry[]): (fact: Fact) => void {
  const events = new Counter({
    ...{ name: 'kelpie_job_events_total', labelNames: ['type'], registers },
    help: 'Events of jobs, of all servers together: CLAIMED are claims',
  });
  const endings = new Counter({
    ...{ name: 'kelpie_attempts_ended_total', labelNames: ['outcome'], registers },
    help: 'Attempts that have ended, of all servers together: of those that are LOST the lease ran out',
  });
  const recoveries = new Histogram({
    ...{ name: 'kelpie_recovery_seconds', labelNames: ['outcome'], buckets: RECOVERY_BUCKETS, registers },
    help: 'Seconds from the end of an interrupted attempt until its job was claimed again, of all servers together',
  });
  // From the start: a series that begins with its first event hides that event from whoever asks for its growth.
  for (const type of kindsOfFacts.types) events.inc({ type }, 0);
  for (const outcome of kindsOfFacts.outcomes) endings.inc({ outcome }, 0);
  for (const outcome of kindsOfFacts.interruptions) recoveries.zero({ outcome });
  return (fact) => {
    switch (fact.kind) {
      case 'event':
        events.inc({ type: fact.type });
        break;
      case 'attemptEnded':
        endings.inc({ outcome: fact.outcome });
        break;
      case 'recovered':
        recoveries.observe({ outcome: fact.outcome }, fact.seconds);
        break;
    }
  };
}

function watchPool(core: OpenCore, registers: Registry[]): void {
  new Gauge({
    ...{ name: 'kelpie_database_connections', labelNames: ['state'], registers },
    help: 'Connections in this server’s pool',
    collect() {
      const { total, idle } = core.pool();
      this.set({ state: 'idle' }, idle);
      this.set({ state: 'busy' }, total - idle);
    },
  });
  new Gauge({
    ...{ name: 'kelpie_database_waiting', registers },
    help: 'Who waits in this server for a connection to the database',
    collect() {
      this.set(core.pool().waiting);
    },
  });
}

function watchSockets(count: () => number, registers: Registry[]): void {
  new Gauge({
    ...{ name: 'kelpie_sockets', registers },
    help: 'Open websockets of this server',
    collect() {
      this.set(count());
    },
  });
}
