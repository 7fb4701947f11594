import { z } from 'zod';
import { listAgents, type SeenAgent } from '../core/agents/find.ts';
import { parseInput } from '../core/input.ts';
import { containerGroupId, machineId } from '../core/jobs/fields.ts';
import { AgentRef, AgentStateRef } from './agent-type.ts';
import { builder } from './builder.ts';
import { JobRef } from './job.ts';
import { forwardConnection } from './paging.ts';

const AgentFilterInput = builder.inputType('AgentFilter', {
  description: 'Which agents: every part that is given must hold.',
  fields: (t) => ({
    containerGroupId: t.string({ description: 'In this container group.' }),
    machineId: t.string({ description: 'On this machine.' }),
    state: t.field({ type: [AgentStateRef], description: 'In any of these states.' }),
  }),
});

builder.objectField(AgentRef, 'jobs', (t) =>
  t.field({
    type: [JobRef],
    description: 'The jobs that it holds: the one that runs, and one whose files it still uploads.',
    resolve: ({ agent }, _args, context) => context.lookups.heldBy(agent.id),
  }),
);

builder.queryField('agents', (t) =>
  t.connection(
    {
      type: AgentRef,
      description:
        'The account’s agents, the last registered first; read forwards only. The admin’s are everybody’s. Agents that were not ' +
        'heard of for some days are forgotten.',
      args: { filter: t.arg({ type: AgentFilterInput, description: 'Which ones; all without it.' }) },
      resolve: (_root, args, { core, viewer }) => {
        const filter = { ...parseInput(filterTexts, { filter: args.filter ?? {} }).filter };
        const states = args.filter?.state ?? undefined;
        return forwardConnection<SeenAgent, [string, string]>(args, {
          place: z.tuple([z.iso.datetime(), z.uuid()]),
          placeOf: ({ agent }) => [agent.registeredAt.toISOString(), agent.id],
          load: ({ after, limit }) =>
            listAgents(
              core,
              viewer,
              { ...filter, states },
              { limit, after: after && { registeredAt: new Date(after[0]), id: after[1] } },
            ),
        });
      },
    },
    { name: 'AgentConnection', description: 'A part of a list of agents.' },
    { name: 'AgentEdge', description: 'An agent in a list.' },
  ),
);

const filterTexts = z.object({
  filter: z.object({
    containerGroupId: containerGroupId.nullish().transform((id) => id ?? undefined),
    machineId: machineId.nullish().transform((id) => id ?? undefined),
  }),
});
