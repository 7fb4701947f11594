import type { Command } from 'commander';
import { z } from 'zod';
import { commandOf, type Context } from '../context.ts';
import { wholeNumber } from '../filters.ts';
import { ListAgentsDocument, type ListAgentsQuery } from '../generated/graphql.ts';
import { ageOf, plain, tableOf } from '../output.ts';

const options = z.object({
  group: z.string().optional(),
  all: z.boolean().default(false),
  limit: z.string(),
  json: z.boolean().default(false),
});

type Agent = ListAgentsQuery['agents']['nodes'][number];

const PAGE = 1_000;

export function agentsCommand(context: Context): Command {
  return commandOf('agents', 'list the agents, and what each holds')
    .option('-g, --group <id>', 'of this container group')
    .option('-a, --all', 'also those of which nothing was heard of late')
    .option('-n, --limit <number>', 'so many at most', '200')
    .action(async (given: unknown) => list(context, options.parse(given)));
}

async function list(context: Context, given: z.infer<typeof options>): Promise<void> {
  const limit = wholeNumber(given.limit, '--limit', { min: 1 });
  const filter = {
    ...(given.group !== undefined && { containerGroupId: given.group }),
    ...(!given.all && { state: ['IDLE' as const, 'BUSY' as const, 'DRAINING' as const] }),
  };
  const connection = await context.connect();
  const found: Agent[] = [];
  let after: string | null | undefined;
  do {
    const first = Math.min(PAGE, limit - found.length);
    const { agents } = await connection.ask(ListAgentsDocument, { filter, first, ...(after != null && { after }) });
    found.push(...agents.nodes);
    after = agents.pageInfo.hasNextPage ? agents.pageInfo.endCursor : undefined;
  } while (after != null && found.length < limit);
  if (given.json) found.forEach(context.sayJson);
  else if (found.length > 0)
    context.say(
      tableOf(
        HEAD,
        found.map((agent) => cellsOf(agent, Date.now())),
      ),
    );
  else context.note('No agents.');
}

const HEAD = ['machine', 'group', 'state', 'heard of', 'cpus', 'memory', 'gpus', 'job'];

function cellsOf(agent: Agent, now: number): string[] {
  const { hardware, jobs } = agent;
  return [
    plain(agent.machineId),
    plain(agent.containerGroupId),
    agent.state.toLowerCase(),
    `${ageOf(agent.lastSeenAt, now)} ago`,
    hardware?.cpus == null ? '' : String(hardware.cpus),
    hardware?.memoryBytes == null ? '' : `${(Number(hardware.memoryBytes) / 2 ** 30).toFixed(1)} GiB`,
    plain((hardware?.gpus ?? []).map(({ name }) => name ?? 'GPU').join(', ')),
    plain(jobs.map(({ id, name }) => name ?? id).join(', ')),
  ];
}
