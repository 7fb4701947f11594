import type { Random } from './random.ts';

export type Peer = 'SERVER' | 'STORE' | 'BOTH';
export type StoreTrouble =
  'ANSWERS_500' | 'ANSWERS_503' | 'NEVER_ANSWERS' | 'LOSES_ANSWERS' | 'DENIES_SUCCESS' | 'CUTS_BODIES';
export type WebhookTrouble = 'REFUSES' | 'ANSWERS_500' | 'NEVER_ANSWERS';

/**
 * What goes wrong. Times are milliseconds. `slot` is the place of an agent, or the next one whose agent holds a job at that time: the
 * same seed hits at the same times, and always where it hurts.
 */
export type Mishap =
  | {
      kind: 'AGENT_KILLED' | 'AGENT_TERMINATED' | 'AGENT_DRAINED';
      slot: number;
      backAfterMs: number;
      newMachine: boolean;
    }
  | { kind: 'AGENT_FROZEN'; slot: number; withCommand: boolean; forMs: number }
  | { kind: 'LINK_CUT' | 'LINK_HELD' | 'LINK_FLAPPING'; slot: number; peer: Peer; forMs: number }
  | { kind: 'LINK_SLOW'; slot: number; peer: Peer; forMs: number; delayMs: number; bytesPerSecond: number }
  | { kind: 'SERVER_KILLED'; server: number; backAfterMs: number }
  | { kind: 'SERVERS_ROLLED' }
  | { kind: 'SERVERS_DOWN'; forMs: number }
  | { kind: 'DATABASE_RESTARTED'; mode: 'fast' | 'immediate'; forMs: number }
  | { kind: 'STORE_TROUBLED'; trouble: StoreTrouble; share: number; forMs: number }
  | { kind: 'WEBHOOKS_TROUBLED'; trouble: WebhookTrouble; forMs: number }
  | { kind: 'STALE_REPORTS'; choice: number };

export type Fault = Mishap & { atMs: number };

export interface Extent {
  seconds: number;
  agents: number;
  servers: number;
}

/** Every mishap of the deck happens before any happens again, so that a short run has met most of them. */
export function drawSchedule(random: Random, extent: Extent): Fault[] {
  const faults: Fault[] = [];
  let deck: Card[] = [];
  for (let atMs = FIRST_MS; atMs < extent.seconds * 1_000; atMs += random.integer(...SPACING_MS)) {
    // The zombies, which take longest, come first: also the shortest run is to see them wake up.
    if (faults.length === 0) deck = [frozen, partitioned, ...random.shuffled(DECK)];
    else if (deck.length === 0) deck = random.shuffled([frozen, partitioned, ...DECK]);
    const card = deck.shift() ?? frozen;
    faults.push({ ...card(random, extent), atMs });
  }
  return faults;
}

/** Of the jobs of a run: twice the longest interval between two heartbeats. */
export const LONGEST_LEASE_MS = 10_000;

const FIRST_MS = 500;
const SPACING_MS = [400, 1_100] as const;

type Card = (random: Random, extent: Extent) => Mishap;

/** Longer than the lease of any job here lasts. */
const frozen: Card = (random, extent) => ({
  kind: 'AGENT_FROZEN',
  slot: slotOf(random, extent),
  withCommand: true,
  forMs: random.integer(LONGEST_LEASE_MS + 1, 14_000),
});

/** It knows nothing of its successor, and the store still takes what it writes. */
const partitioned: Card = (random, extent) => ({
  kind: 'LINK_HELD',
  slot: slotOf(random, extent),
  peer: 'SERVER',
  forMs: random.integer(LONGEST_LEASE_MS + 1, 16_000),
});

const DECK: readonly Card[] = [
  partitioned,
  ended('AGENT_KILLED'),
  ended('AGENT_KILLED'),
  ended('AGENT_KILLED'),
  ended('AGENT_TERMINATED'),
  ended('AGENT_TERMINATED'),
  ended('AGENT_DRAINED'),
  (random, extent) => ({
    kind: 'AGENT_FROZEN',
    slot: slotOf(random, extent),
    withCommand: false,
    forMs: random.integer(LONGEST_LEASE_MS + 1, 14_000),
  }),
  (random, extent) => ({
    kind: 'AGENT_FROZEN',
    slot: slotOf(random, extent),
    withCommand: random.chance(0.5),
    forMs: random.integer(500, 6_000),
  }),
  link('LINK_CUT', 'SERVER', [500, 12_000]),
  link('LINK_CUT', 'STORE', [500, 4_000]),
  link('LINK_CUT', 'BOTH', [500, 9_000]),
  link('LINK_HELD', 'SERVER', [2_000, 8_000]),
  link('LINK_HELD', 'STORE', [1_000, 6_000]),
  link('LINK_HELD', 'BOTH', [3_000, 14_000]),
  link('LINK_FLAPPING', 'SERVER', [1_000, 6_000]),
  link('LINK_FLAPPING', 'BOTH', [1_000, 6_000]),
  slow('SERVER'),
  slow('STORE'),
  (random, { servers }) => ({
    kind: 'SERVER_KILLED',
    server: random.integer(0, servers - 1),
    backAfterMs: random.integer(200, 3_000),
  }),
  () => ({ kind: 'SERVERS_ROLLED' }),
  (random) => ({ kind: 'SERVERS_DOWN', forMs: random.integer(500, 7_000) }),
  (random) => ({
    kind: 'DATABASE_RESTARTED',
    mode: random.chance(0.5) ? 'fast' : 'immediate',
    forMs: random.integer(0, 4_000),
  }),
  store('ANSWERS_500'),
  store('ANSWERS_503'),
  store('NEVER_ANSWERS'),
  store('LOSES_ANSWERS'),
  store('DENIES_SUCCESS'),
  store('CUTS_BODIES'),
  (random) => ({
    kind: 'WEBHOOKS_TROUBLED',
    trouble: random.pick(['REFUSES', 'ANSWERS_500', 'NEVER_ANSWERS']),
    forMs: random.integer(1_000, 5_000),
  }),
  stale,
  stale,
  stale,
];

function ended(kind: 'AGENT_KILLED' | 'AGENT_TERMINATED' | 'AGENT_DRAINED'): Card {
  return (random, extent) => ({
    kind,
    slot: slotOf(random, extent),
    backAfterMs: random.integer(0, 3_000),
    newMachine: random.chance(0.5),
  });
}

function link(kind: 'LINK_CUT' | 'LINK_HELD' | 'LINK_FLAPPING', peer: Peer, forMs: readonly [number, number]): Card {
  return (random, extent) => ({ kind, slot: slotOf(random, extent), peer, forMs: random.integer(...forMs) });
}

function slow(peer: Peer): Card {
  return (random, extent) => ({
    kind: 'LINK_SLOW',
    slot: slotOf(random, extent),
    peer,
    forMs: random.integer(2_000, 8_000),
    delayMs: random.integer(20, 300),
    bytesPerSecond: random.integer(100_000, 1_000_000),
  });
}

function store(trouble: StoreTrouble): Card {
  return (random) => ({
    kind: 'STORE_TROUBLED',
    trouble,
    share: random.pick([0.1, 0.3, 1]),
    forMs: random.integer(500, 3_000),
  });
}

function stale(random: Random): Mishap {
  return { kind: 'STALE_REPORTS', choice: random.next() };
}

function slotOf(random: Random, { agents }: Extent): number {
  return random.integer(0, agents - 1);
}

/** For a person who follows the run. */
export function describe({ atMs, kind, ...rest }: Fault): string {
  const details = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? Math.round(value * 100) / 100 : String(value)}`,
  );
  return `${kind.padEnd(18)} ${details.join(', ')} (planned for ${(atMs / 1_000).toFixed(1)} s)`;
}
