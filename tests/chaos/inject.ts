import { pause } from '../../lib/pause.ts';
import { repeatUntilAnswered } from '../../lib/repeat.ts';
import type { Injected, StaleReport } from './facts.ts';
import type { Place } from './fleet.ts';
import type { Line, Link } from './proxy.ts';
import { describe, type Fault, LONGEST_LEASE_MS, type Peer } from './schedule.ts';
import { sendStaleReports } from './stale-reports.ts';
import type { World } from './world.ts';

export interface Trouble {
  /** Lets the schedule happen. Resolves when all is begun, or `healing` is aborted. */
  make(faults: readonly Fault[], say: (line: string) => void): Promise<void>;
  /** What really happened so far. */
  injected: Injected[];
  /** What was answered to reports of attempts that were over. */
  reports: StaleReport[];
  /** After `healing` was aborted: waits until everything is undone, and every place has its agent. */
  heal(): Promise<void>;
}

/**
 * @param healing aborted, every fault ends at once
 * @param stopping aborted, nobody waits for anything any more
 */
export function createTrouble(world: World, healing: AbortSignal, stopping: AbortSignal): Trouble {
  const injected: Injected[] = [];
  const reports: StaleReport[] = [];
  const happening: Promise<void>[] = [];
  const bench: Bench = { world, healing, stopping, reports, holders: new Map() };

  return {
    injected,
    reports,
    async make(faults, say) {
      const began = performance.now();
      for (const fault of faults) {
        await pause(fault.atMs - (performance.now() - began), healing);
        if (healing.aborted) return;
        const forMs = 'forMs' in fault ? fault.forMs : 0;
        const real = 'slot' in fault ? { ...fault, slot: await worthwhile(world, fault.slot, forMs) } : fault;
        const { agent, state } = 'slot' in real ? placeOf(world, real.slot) : {};
        const skipped = real.kind.startsWith('AGENT') && state !== 'UP';
        injected.push({ ...real, at: Date.now(), skipped, ...(agent !== undefined && { accessKey: agent.accessKey }) });
        say(`${describe(real)}${skipped ? '   (nobody is there)' : ''}`);
        if (!skipped) happening.push(begun(happen(real, bench)));
      }
    },
    async heal() {
      await Promise.all(happening);
      const { fleet, door, receiver } = world;
      door.trouble = undefined;
      receiver.trouble = undefined;
      for (const place of fleet.places) if (place.state === 'DOWN') fleet.start(place, true);
    },
  };
}

/** An agent's zombie is one only as long as its command has something left to do. */
const REMAINING = `
  select a.agent_id as "agentId",
         (plan->>'steps')::int * (plan->>'stepMs')::int * (1 - coalesce((a.progress->>'fraction')::float8, 0)) as "remainingMs"
  from attempts a
  join jobs j on j.id = a.job_id,
  lateral (select (j.arguments->>1)::jsonb->'plan' as plan) task
  where a.outcome is null`;

/**
 * The slot, from this one on, whose agent is well and holds a job; for a fault that outlives a lease the one with the most left to do.
 * This one, if there is none or nobody knows.
 */
async function worthwhile({ database, fleet: { places } }: World, slot: number, forMs: number): Promise<number> {
  const rows = await database.query<{ agentId: string; remainingMs: number }>(REMAINING).catch(() => []);
  const remaining = new Map(rows.map(({ agentId, remainingMs }) => [agentId, remainingMs]));
  const busy = [...places.slice(slot), ...places.slice(0, slot)].flatMap((place) => {
    const left = remaining.get(place.agent?.agentId ?? '');
    return place.state === 'UP' && left !== undefined ? [{ slot: place.slot, left }] : [];
  });
  if (forMs > LONGEST_LEASE_MS) busy.sort((a, b) => b.left - a.left);
  return busy[0]?.slot ?? slot;
}

interface Bench {
  world: World;
  healing: AbortSignal;
  stopping: AbortSignal;
  reports: StaleReport[];
  /** Of what several faults may disturb: the fault that did so last, and which alone may end it. */
  holders: Map<unknown, symbol>;
}

/** Its failure is told to whoever waits for its end, which comes later. */
function begun(fault: Promise<void>): Promise<void> {
  fault.catch(() => undefined);
  return fault;
}

/** One fault from its beginning to its end. */
async function happen(fault: Fault, bench: Bench): Promise<void> {
  const { world, healing } = bench;
  const { fleet, servers, door, receiver } = world;
  switch (fault.kind) {
    case 'AGENT_KILLED':
    case 'AGENT_TERMINATED':
    case 'AGENT_DRAINED': {
      const place = placeOf(world, fault.slot);
      await endAgent(fault.kind, place, bench);
      await pause(fault.backAfterMs, healing);
      fleet.start(place, fault.newMachine);
      return;
    }
    case 'AGENT_FROZEN':
      return fleet.freeze(placeOf(world, fault.slot), fault.withCommand, fault.forMs, healing);
    case 'LINK_CUT':
      return disturb(bench, fault, { is: 'CUT' });
    case 'LINK_HELD':
      return disturb(bench, fault, { is: 'HELD' });
    case 'LINK_SLOW': {
      const { delayMs, bytesPerSecond } = fault;
      return disturb(bench, fault, { is: 'SLOW', delayMs, bytesPerSecond });
    }
    case 'LINK_FLAPPING':
      return flap(bench, fault);
    case 'SERVER_KILLED':
      return servers.kill(fault.server, fault.backAfterMs, healing);
    case 'SERVERS_ROLLED':
      return servers.roll();
    case 'SERVERS_DOWN': {
      const all = Array.from({ length: servers.count }, (_, index) => servers.kill(index, fault.forMs, healing));
      await Promise.all(all);
      return;
    }
    case 'DATABASE_RESTARTED':
      return world.database.restart(fault.mode, fault.forMs, healing);
    case 'STORE_TROUBLED':
      door.trouble = { kind: fault.trouble, share: fault.share };
      return hold(bench, door, fault.forMs, () => (door.trouble = undefined));
    case 'WEBHOOKS_TROUBLED':
      receiver.trouble = fault.trouble;
      return hold(bench, receiver, fault.forMs, () => (receiver.trouble = undefined));
    case 'STALE_REPORTS':
      // Without an answer there is nothing to judge.
      bench.reports.push(...(await sendStaleReports(world, fault.choice).catch(() => [])));
  }
}

const REPEAT = { baseMs: 100, capMs: 1_000, tryMs: 6_000 };

async function endAgent(kind: Fault['kind'], place: Place, { world, stopping }: Bench): Promise<void> {
  const { fleet, api, keys } = world;
  if (kind === 'AGENT_KILLED') return fleet.kill(place);
  if (kind === 'AGENT_TERMINATED') return fleet.terminate(place);
  const query = 'mutation Drain($id: ID!) { drainAgent(id: $id) { __typename } }';
  await fleet.drain(place, (id) =>
    repeatUntilAnswered(() => api.ask(keys.owner, query, { id }), { ...REPEAT, signal: stopping }),
  );
}

interface LinkFault {
  slot: number;
  peer: Peer;
  forMs: number;
}

async function disturb(bench: Bench, { slot, peer, forMs }: LinkFault, line: Line): Promise<void> {
  const links = linksOf(placeOf(bench.world, slot), peer);
  for (const link of links) link.set(line);
  await Promise.all(links.map((link) => hold(bench, link, forMs, () => link.set({ is: 'OPEN' }))));
}

const FLAP_MS = { cut: 200, open: 500 };

async function flap(bench: Bench, { forMs, ...where }: LinkFault): Promise<void> {
  const end = performance.now() + forMs;
  while (performance.now() < end && !bench.healing.aborted) {
    await disturb(bench, { ...where, forMs: FLAP_MS.cut }, { is: 'CUT' });
    await pause(FLAP_MS.open, bench.healing);
  }
}

async function hold(bench: Bench, what: unknown, forMs: number, undo: () => void): Promise<void> {
  const own = Symbol();
  bench.holders.set(what, own);
  await pause(forMs, bench.healing);
  if (bench.holders.get(what) === own) undo();
}

function linksOf({ links }: Place, peer: Peer): Link[] {
  return peer === 'BOTH' ? [links.SERVER, links.STORE] : [links[peer]];
}

function placeOf({ fleet }: World, slot: number): Place {
  const place = fleet.places[slot % fleet.places.length];
  if (place === undefined) throw new Error('a run needs at least one agent');
  return place;
}
