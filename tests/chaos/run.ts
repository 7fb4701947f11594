import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../../lib/pause.ts';
import { anyOf } from '../../lib/signals.ts';
import { collectFacts } from './collect.ts';
import { createTrouble } from './inject.ts';
import { createRandom } from './random.ts';
import { judge, type Report } from './report.ts';
import { drawSchedule, type Extent } from './schedule.ts';
import { createWorkload } from './workload.ts';
import { startWorld, type World } from './world.ts';

export interface RunOptions extends Extent {
  seed: number;
  directory: string;
  /** Aborted, the run ends what it has begun, and throws. */
  signal: AbortSignal;
  say: (line: string) => void;
}

/** Lets everything run and go wrong for the given time, heals it, waits until all jobs have ended, and looks what came of it. */
export async function runChaos(options: RunOptions): Promise<Report> {
  const { signal } = options;
  const began = performance.now();
  const say = (line: string) =>
    options.say(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
  const random = createRandom(String(options.seed));
  const schedule = drawSchedule(random.fork('schedule'), options);
  const world = await startWorld(options.directory, options, random, signal);
  try {
    const healing = new AbortController();
    const over = anyOf(healing.signal, signal);
    const workload = createWorkload(world, random.fork('jobs'), signal);
    const trouble = createTrouble(world, over, signal);

    say(`Everything is up; trouble for ${options.seconds} s is to come, by seed ${options.seed}`);
    const letItHappen = async (): Promise<void> => {
      await work(world, options.agents / 2, signal);
      say('The agents are at work; trouble begins');
      await Promise.all([trouble.make(schedule, say), pause(options.seconds * 1_000, signal)]);
      healing.abort();
    };
    await Promise.all([workload.feed(over), letItHappen()]);
    signal.throwIfAborted();

    say('Everything is being healed, and all jobs are to end');
    await trouble.heal();
    signal.throwIfAborted();
    await drain(world, signal);
    say('All jobs have ended, and what is left of webhooks is sent');
    await workload.settled();
    await deliverWebhooks(world, signal);
    say('The agents are told to stop');
    await Promise.all(world.fleet.places.map((place) => world.fleet.terminate(place)));
    signal.throwIfAborted();
    const facts = await collectFacts(world, workload, trouble);
    await writeFile(join(options.directory, 'facts.json'), JSON.stringify(facts, null, 1));
    return judge(facts);
  } finally {
    await world.stop();
  }
}

const AT_WORK_WITHIN_MS = 20_000;

/** Waits until so many agents hold a job: idle ones are not worth the trouble. */
async function work({ database, directory }: World, agents: number, signal: AbortSignal): Promise<void> {
  const count = 'select count(*)::int as count from attempts where outcome is null';
  const areAtWork = await eventually(AT_WORK_WITHIN_MS, signal, async () => {
    const [row] = await database.query<{ count: number }>(count);
    return (row?.count ?? 0) >= agents;
  });
  if (!areAtWork)
    throw new Error(`expected ${agents} agents to hold a job by now; their logs are in ${directory}/agents`);
}

const DRAINED_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 250;

/** Waits until no job waits or runs. What is not ended by then is told by the invariants. */
async function drain(world: World, signal: AbortSignal): Promise<void> {
  await eventually(DRAINED_WITHIN_MS, signal, async () => {
    await reallocate(world);
    return isEmpty(world, `select from jobs where status in ('PENDING', 'RUNNING')`);
  });
}

/** A machine that is banned from that many jobs gets no more: whoever runs it replaces it. */
const BANS = 5;

async function reallocate({ database, fleet }: World): Promise<void> {
  const banned = await database.query<{ machine_id: string }>(
    'select machine_id from bans group by machine_id having count(*) >= $1',
    [BANS],
  );
  for (const { machine_id: machineId } of banned) {
    const place = fleet.places.find((each) => each.machineId === machineId && each.state === 'UP');
    if (place === undefined) continue;
    await fleet.terminate(place);
    fleet.start(place, true);
  }
}

const DELIVERED_WITHIN_MS = 30_000;
const AGAIN_EVERY_MS = 3_000;

/** The second repetition would come after minutes, and what a killed server was sending is held for one: time is made to pass. */
async function deliverWebhooks(world: World, signal: AbortSignal): Promise<void> {
  let advancedAt = -Infinity;
  await eventually(DELIVERED_WITHIN_MS, signal, async () => {
    if (performance.now() - advancedAt > AGAIN_EVERY_MS) {
      await world.database.query('update webhook_deliveries set next_try_at = now() where delivered_at is null');
      advancedAt = performance.now();
    }
    return isEmpty(world, 'select from webhook_deliveries where delivered_at is null');
  });
}

async function isEmpty({ database }: World, select: string): Promise<boolean> {
  return (await database.query(`${select} limit 1`)).length === 0;
}

async function eventually(withinMs: number, signal: AbortSignal, isSo: () => Promise<boolean>): Promise<boolean> {
  const end = performance.now() + withinMs;
  for (let is = await isSo(); ; is = await isSo()) {
    if (is || performance.now() > end) return is;
    await pause(LOOK_EVERY_MS, signal);
    signal.throwIfAborted();
  }
}
