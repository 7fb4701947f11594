import type { Facts } from './facts.ts';
import { invariants } from './invariants/index.ts';
import { isLiveAt, writesAfterCancel } from './invariants/ownership.ts';

/** What a run has shown. Times are seconds. */
export interface Report {
  held: boolean;
  invariants: { holds: string; breaches: string[] }[];
  /** How often each fault happened. */
  faults: Record<string, number>;
  /** Of faults that took a job from its agent, by fault: how long until the server noticed, and until the command ran again. */
  recovery: Record<string, { noticed: Quantiles; runningAgain: Quantiles }>;
  counts: Record<string, number>;
}

interface Quantiles {
  n: number;
  p50: number;
  p95: number;
  max: number;
}

export function judge(facts: Facts): Report {
  const judged = invariants.map((invariant) => ({ holds: invariant.holds, breaches: invariant.breaches(facts) }));
  return {
    held: judged.every(({ breaches }) => breaches.length === 0),
    invariants: judged,
    faults: countBy(facts.faults.filter(({ skipped }) => !skipped).map(({ kind }) => kind)),
    recovery: recovery(facts),
    counts: {
      jobs: facts.jobs.length,
      ...countBy(facts.jobs.map(({ row }) => row.status)),
      attempts: facts.jobs.reduce((sum, { attempts }) => sum + attempts.length, 0),
      ...countBy(facts.jobs.flatMap(({ attempts }) => attempts.map(({ outcome }) => `attempts ${String(outcome)}`))),
      'agent processes': facts.agents.length,
      'writes to the bucket': facts.writes.length,
      'writes after a cancel': writesAfterCancel(facts),
      'stale reports': facts.reports.length,
      'webhooks received': facts.receipts.length,
    },
  };
}

const EXAMPLES = 3;

/** For a person. */
export function linesOf({ invariants: judged, faults, recovery: recovered, counts }: Report): string[] {
  const table = (title: string, rows: Record<string, number>) => [
    title,
    ...Object.entries(rows).map(([name, count]) => `  ${name.padEnd(24)} ${String(count).padStart(6)}`),
  ];
  return [
    ...table('What happened', counts),
    ...table('Faults', faults),
    'Recovery (seconds: median, 95 %, longest)',
    ...Object.entries(recovered).map(
      ([kind, { noticed, runningAgain }]) =>
        `  ${kind.padEnd(18)} noticed ${textOf(noticed)}   running again ${textOf(runningAgain)}   n ${noticed.n}`,
    ),
    'Invariants',
    ...judged.flatMap(({ holds, breaches }) => [
      `  ${breaches.length === 0 ? 'held    ' : 'VIOLATED'}  ${holds}${breaches.length === 0 ? '' : ` (${breaches.length})`}`,
      ...breaches.slice(0, EXAMPLES).map((breach) => `              ${breach.slice(0, 1_000)}`),
    ]),
  ];
}

function textOf({ p50, p95, max }: Quantiles): string {
  return [p50, p95, max].map((seconds) => seconds.toFixed(1).padStart(5)).join(' ');
}

function countBy(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    [...Map.groupBy(names.toSorted(), (name) => name)].map(([name, all]) => [name, all.length]),
  );
}

const TAKES_THE_JOB = ['AGENT_KILLED', 'AGENT_TERMINATED', 'AGENT_DRAINED', 'AGENT_FROZEN', 'LINK_CUT', 'LINK_HELD'];

function recovery(facts: Facts): Report['recovery'] {
  const agentIds = new Map(facts.agents.map(({ accessKey, agentId }) => [accessKey, agentId]));
  const samples = facts.faults
    .filter(({ kind, skipped }) => TAKES_THE_JOB.includes(kind) && !skipped)
    .flatMap((fault) => {
      const agentId = agentIds.get(fault.accessKey ?? '');
      return agentId === undefined
        ? []
        : samplesOf(facts, fault.at, agentId).map((sample) => ({ ...sample, ...fault }));
    });
  return Object.fromEntries(
    [...Map.groupBy(samples, ({ kind }) => kind)].map(([kind, all]) => [
      kind,
      {
        noticed: quantiles(all.map(({ noticed }) => noticed)),
        runningAgain: quantiles(all.flatMap(({ runningAgain }) => runningAgain ?? [])),
      },
    ]),
  );
}

/** The attempt that the agent held at that time, if that is what it lost. */
function samplesOf({ jobs }: Facts, at: number, agentId: string): { noticed: number; runningAgain?: number }[] {
  return jobs.flatMap(({ attempts, events }) => {
    const hit = attempts.find((attempt) => attempt.agentId === agentId && isLiveAt(attempt, at));
    if (hit?.endedAt == null || (hit.outcome !== 'LOST' && hit.outcome !== 'RELEASED')) return [];
    const again = events.find(
      ({ type, attempt, data }) =>
        type === 'PHASE_CHANGED' && attempt === hit.number + 1 && data['phase'] === 'RUNNING',
    );
    return [
      {
        noticed: (hit.endedAt - at) / 1_000,
        ...(again !== undefined && { runningAgain: (again.at - at) / 1_000 }),
      },
    ];
  });
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 100) / 100;
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}
