import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PresenceRecord, createPresence } from '../../agent/presence.ts';
import { type Proof, afterFreeze, heard, proofOfClaim, renewed, trustedUntil } from '../../agent/trust.ts';

/**
 * Server and agent as two clocks, a network between them that delays, reorders and loses, and a server that notices the end
 * of a connection whenever it likes. Whatever happens, the agent believes in its lease at most as long as it has it.
 */
interface World {
  /** The database's clock, in milliseconds; the agent's runs from another beginning, and not quite as fast. */
  time: number;
  agentClock: { offset: number; rate: number };
  graceMillis: number;
  leaseMillis: number;
  expiresAt: number;
  /** The job was given to another. */
  isTaken: boolean;
  /** The connection that stands for the agent's presence, as the database has it. */
  presentConnection: number;
  /** Connections that are open, as the server sees it. */
  serverSide: Set<number>;
  /** The agent's own: the newest one, unless it was given up. */
  agentSide: number | undefined;
  connections: number;
  underWay: Message[];
}

type Message =
  | { kind: 'HEARTBEAT' | 'RENEWED'; sentAt: number }
  | { kind: 'SUBSCRIBE' | 'FIRST_SIGNAL'; connection: number }
  | { kind: 'PING' | 'PONG'; connection: number; sentAt: number };

/** What is tested: the agent's own record of what it can prove. */
interface Agent {
  proof: Proof;
  presence: PresenceRecord;
}

const agentTime = ({ time, agentClock }: World) => agentClock.offset + time * agentClock.rate;

class Step implements fc.Command<World, Agent> {
  readonly #name: string;
  readonly #can: (world: World) => boolean;
  readonly #act: (world: World, agent: Agent) => void;

  constructor(name: string, act: (world: World, agent: Agent) => void, can: (world: World) => boolean = () => true) {
    this.#name = name;
    this.#act = act;
    this.#can = can;
  }

  check(world: Readonly<World>): boolean {
    return this.#can(world);
  }

  run(world: World, agent: Agent): void {
    this.#act(world, agent);
    agent.proof = heard(agent.proof, agent.presence.now);
    // Until the next message nothing changes on either side, so one look at the future is as good as many.
    const until = trustedUntil(agent.proof, agent.presence.now, world.graceMillis);
    const trustEnds = (until - world.agentClock.offset) / world.agentClock.rate;
    if (trustEnds <= world.time) return;
    expect(world.isTaken).toBe(false);
    expect(trustEnds).toBeLessThanOrEqual(world.expiresAt);
  }

  toString(): string {
    return this.#name;
  }
}

function deliver(world: World, agent: Agent, message: Message): void {
  const { time, underWay } = world;
  switch (message.kind) {
    case 'HEARTBEAT':
      if (world.isTaken) return;
      world.expiresAt = time + world.leaseMillis;
      underWay.push({ kind: 'RENEWED', sentAt: message.sentAt });
      return;
    case 'RENEWED':
      agent.proof = renewed(agent.proof, { sentAt: message.sentAt, leaseMillis: world.leaseMillis });
      return;
    case 'SUBSCRIBE':
      // A subscription is not registered after one that was made later.
      if (!world.serverSide.has(message.connection) || message.connection < world.presentConnection) return;
      world.presentConnection = message.connection;
      underWay.push({ kind: 'FIRST_SIGNAL', connection: message.connection });
      return;
    case 'FIRST_SIGNAL':
      if (message.connection === world.agentSide) agent.presence.begin(agentTime(world));
      return;
    case 'PING':
      if (world.serverSide.has(message.connection)) underWay.push({ ...message, kind: 'PONG' });
      return;
    case 'PONG':
      if (message.connection === world.agentSide) agent.presence.answered(message.sentAt);
  }
}

const heartbeat = new Step('heartbeat', (world) => {
  world.underWay.push({ kind: 'HEARTBEAT', sentAt: agentTime(world) });
});

const connect = new Step('connect', (world, agent) => {
  agent.presence.end();
  world.agentSide = ++world.connections;
  world.serverSide.add(world.agentSide);
});

const subscribe = new Step(
  'subscribe',
  (world, agent) => {
    agent.presence.ask();
    world.underWay.push({ kind: 'SUBSCRIBE', connection: world.agentSide! });
  },
  (world) => world.agentSide !== undefined,
);

const ping = new Step(
  'ping',
  (world) => world.underWay.push({ kind: 'PING', connection: world.agentSide!, sentAt: agentTime(world) }),
  (world) => world.agentSide !== undefined,
);

const agentDisconnects = new Step('the agent gives its connection up', (world, agent) => {
  agent.presence.end();
  world.agentSide = undefined;
});

const serverStops = new Step('the server stops, which shortens nothing', (world) => world.serverSide.clear());

const sweep = new Step('sweep', (world) => {
  world.isTaken ||= world.time > world.expiresAt;
});

const quick = fc.nat({ max: 1500 });
const someTime = fc.oneof(quick, fc.nat({ max: 6000 }), fc.nat({ max: 70_000 }));

const pass = (millis: number) => new Step(`${millis} ms pass`, (world) => (world.time += millis));

/** Delivers a message that is on its way; 0 is the oldest, -1 the newest. */
const delivery = (which: number) =>
  new Step(
    `deliver ${which}`,
    (world, agent) => {
      const index = which < 0 ? world.underWay.length + which : which % world.underWay.length;
      const [message] = world.underWay.splice(index, 1);
      deliver(world, agent, message!);
    },
    (world) => world.underWay.length > 0,
  );

const loss = (which: number) =>
  new Step(
    `lose ${which}`,
    (world) => world.underWay.splice(which % world.underWay.length, 1),
    (world) => world.underWay.length > 0,
  );

const notice = (which: number) =>
  new Step(
    `the server notices the end of connection ${which}`,
    (world) => {
      const connection = [...world.serverSide][which % world.serverSide.size]!;
      world.serverSide.delete(connection);
      if (connection !== world.presentConnection) return;
      world.expiresAt = Math.min(world.expiresAt, world.time + world.graceMillis);
    },
    (world) => world.serverSide.size > 0,
  );

const freeze = (millis: number) =>
  new Step(`the agent is frozen for ${millis} ms, and notices`, (world, agent) => {
    world.time += millis;
    agent.proof = afterFreeze(agent.proof, agentTime(world));
  });

/** Several steps in a row, so that what mostly happens does: a question, and after a while each way its answer. */
class Sequence implements fc.Command<World, Agent> {
  readonly #steps: readonly Step[];

  constructor(...steps: readonly Step[]) {
    this.#steps = steps;
  }

  check(): boolean {
    return true;
  }

  run(world: World, agent: Agent): void {
    for (const step of this.#steps) if (step.check(world)) step.run(world, agent);
  }

  toString(): string {
    return `(${this.#steps.join(', ')})`;
  }
}

const answered = (question: Step) =>
  fc
    .tuple(quick, fc.oneof(quick.map(pass), fc.nat().map(notice)), quick)
    .map(
      ([there, meanwhile, back]) =>
        new Sequence(question, pass(there), delivery(-1), meanwhile, pass(back), delivery(-1)),
    );

const steps: fc.Arbitrary<fc.Command<World, Agent>>[] = [
  ...[heartbeat, connect, subscribe, ping, agentDisconnects, serverStops, sweep].map((step) => fc.constant(step)),
  ...[heartbeat, subscribe, ping, ping].map(answered),
  quick.map(pass),
  someTime.map(pass),
  fc.nat().map(delivery),
  fc.nat().map(loss),
  fc.nat().map(notice),
  someTime.map(freeze),
];

/** An agent that has something to lose. */
const wellConnected = [connect, subscribe, delivery(0), delivery(0), heartbeat, delivery(0), delivery(0)];

test('no agent believes in its lease longer than it has it', () => {
  fc.assert(
    fc.property(
      fc.record({
        leaseMillis: fc.constantFrom(2000, 6000, 60_000),
        graceMillis: fc.constantFrom(1000, 5000, 30_000),
        offset: fc.integer({ min: -1e6, max: 1e6 }),
        rate: fc.double({ min: 0.98, max: 1.02, noNaN: true }),
        claimTook: someTime,
      }),
      fc.commands(steps, { size: '+1' }),
      ({ leaseMillis, graceMillis, offset, rate, claimTook }, commands) => {
        const setup = () => {
          const agentClock = { offset, rate };
          const real: Agent = {
            proof: proofOfClaim({ sentAt: offset, leaseMillis }),
            presence: createPresence(graceMillis),
          };
          const model: World = {
            ...{ time: claimTook, agentClock, graceMillis, leaseMillis, expiresAt: claimTook + leaseMillis },
            ...{ isTaken: false, presentConnection: 0, serverSide: new Set<number>(), agentSide: undefined },
            ...{ connections: 0, underWay: [] },
          };
          for (const step of wellConnected) step.run(model, real);
          return { model, real };
        };
        fc.modelRun(setup, commands);
      },
    ),
    { numRuns: 2000 },
  );
});
