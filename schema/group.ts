import { z } from 'zod';
import { groupFigures, listGroups, type GroupFigures } from '../core/groups/figures.ts';
import { parseInput } from '../core/input.ts';
import { containerGroupId } from '../core/jobs/fields.ts';
import { builder } from './builder.ts';
import { forwardConnection } from './paging.ts';
import { shared } from './shared.ts';

const PriorityCountRef = builder.objectRef<GroupFigures['pendingByPriority'][number]>('PriorityCount').implement({
  description: 'How many pending jobs have a priority.',
  fields: (t) => ({
    priority: t.exposeInt('priority', { description: '-100 to 100, higher first.' }),
    pending: t.exposeInt('pending', { description: 'Pending jobs.' }),
  }),
});

const AgentCountsRef = builder.objectRef<GroupFigures['agents']>('AgentCounts').implement({
  description: 'How many agents are in each state.',
  fields: (t) => ({
    idle: t.exposeInt('idle', { description: 'There, and without a job.' }),
    busy: t.exposeInt('busy', { description: 'Holding a job.' }),
    draining: t.exposeInt('draining', { description: 'Asked to leave.' }),
    gone: t.exposeInt('gone', { description: 'Not heard of for 30 seconds, and not forgotten yet.' }),
  }),
});

const ContainerGroupRef = builder.objectRef<GroupFigures>('ContainerGroup').implement({
  description: 'A queue, and who works on it. One that the account has nothing of is empty.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'As its jobs and agents name it.' }),
    pending: t.exposeInt('pending', { description: 'Jobs that wait.' }),
    running: t.exposeInt('running', { description: 'Jobs that an attempt holds.' }),
    completed: t.exposeInt('completed', { description: 'Jobs that completed within the last 24 hours.' }),
    failed: t.exposeInt('failed', { description: 'Jobs that failed within the last 24 hours.' }),
    canceled: t.exposeInt('canceled', { description: 'Jobs that were canceled within the last 24 hours.' }),
    completedLastHour: t.exposeInt('completedLastHour', {
      description: 'Throughput: jobs that completed within the last hour.',
    }),
    pendingByPriority: t.expose('pendingByPriority', {
      type: [PriorityCountRef],
      description: 'The queue, highest priority first.',
    }),
    oldestPendingAt: t.expose('oldestPendingAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the pending job that was submitted first was submitted.',
    }),
    agents: t.expose('agents', { type: AgentCountsRef, description: 'Its agents, polling workers among them.' }),
    medianRunSeconds: t.exposeFloat('medianRunSeconds', {
      nullable: true,
      description:
        'The median of what the last jobs took that completed within the last 24 hours (at most 100), all attempts together, in seconds.',
    }),
    sampledJobs: t.exposeInt('sampledJobs', { description: 'How many jobs that median is of.' }),
    emptyInSeconds: t.exposeFloat('emptyInSeconds', {
      nullable: true,
      description:
        'How long until nothing waits any more: pending × medianRunSeconds ÷ (idle + busy agents), in seconds, if what is to come is ' +
        'like what was and the fleet stays. Null when that can not be told: no agent takes work, or nothing has completed.',
    }),
  }),
});

const idInput = z.object({ id: containerGroupId });

builder.queryField('containerGroup', (t) =>
  t.field({
    type: ContainerGroupRef,
    description: 'One container group of the account.',
    args: { id: t.arg.string({ required: true, description: 'Its id.' }) },
    resolve: async (_root, args, { core, viewer }) => {
      const [figures] = await groupFigures(core, viewer, [parseInput(idInput, args).id]);
      if (figures === undefined) throw new Error('A container group was asked for and not counted');
      return figures;
    },
  }),
);

builder.queryField('containerGroups', (t) =>
  t.connection(
    {
      type: ContainerGroupRef,
      description: 'The container groups that the account has jobs or agents of, by id; read forwards only.',
      resolve: (_root, args, { core, viewer }) =>
        forwardConnection<GroupFigures, [string]>(args, {
          place: z.tuple([containerGroupId]),
          placeOf: ({ id }) => [id],
          load: ({ after, limit }) => listGroups(core, viewer, { after: after?.[0], limit }),
        }),
    },
    { name: 'ContainerGroupConnection', description: 'A part of a list of container groups.' },
    { name: 'ContainerGroupEdge', description: 'A container group in a list.' },
  ),
);

builder.subscriptionField('containerGroupUpdated', (t) =>
  t.field({
    ...shared,
    type: ContainerGroupRef,
    description:
      'A container group as it is, then as it is after changes, coalesced to the latest, at most about twice a second.',
    args: { id: t.arg.string({ required: true, description: 'Its id.' }) },
    subscribe: (_root, args, { groupWatchers, viewer }) => groupWatchers.watch(viewer, parseInput(idInput, args).id),
    resolve: (figures) => figures,
  }),
);
