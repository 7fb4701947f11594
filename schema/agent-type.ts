import type { AgentState } from '../core/agents/find.ts';
import { hardwareOf, type Hardware } from '../core/agents/hardware.ts';
import type { Agent, GpuUse } from '../db/entities/agent.ts';
import { builder } from './builder.ts';

export const AgentStateRef = builder.enumType('AgentState', {
  description: 'What an agent is doing.',
  values: {
    IDLE: { description: 'It is there, and holds no job.' },
    BUSY: { description: 'It holds a job.' },
    DRAINING: { description: 'It was asked to leave.' },
    GONE: { description: 'Nothing was heard of it for 30 seconds, and it holds no job.' },
  } as const,
});

type Gpu = NonNullable<Hardware['gpus']>[number];

const GpuRef = builder.objectRef<Gpu>('Gpu').implement({
  description: 'One GPU of a machine.',
  fields: (t) => ({
    index: t.int({ nullable: true, description: 'Its number on the machine.', resolve: ({ index }) => index ?? null }),
    name: t.string({ nullable: true, description: 'Its model.', resolve: ({ name }) => name ?? null }),
    memoryBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'Its memory, in bytes.',
      resolve: ({ memoryBytes }) => whole(memoryBytes),
    }),
    driverVersion: t.string({
      nullable: true,
      description: 'The version of its driver.',
      resolve: ({ driverVersion }) => driverVersion ?? null,
    }),
  }),
});

const HardwareRef = builder.objectRef<{ stored: Record<string, unknown>; known: Hardware }>('AgentHardware').implement({
  description:
    'What an agent found out about the machine, or the share of it that its container may use. Null: it did not.',
  fields: (t) => ({
    cpus: t.float({
      nullable: true,
      description: 'Processor cores; a share of them where the container is limited to that.',
      resolve: ({ known }) => known.cpus ?? null,
    }),
    cpuModel: t.string({
      nullable: true,
      description: 'Model of the processor.',
      resolve: ({ known }) => known.cpuModel ?? null,
    }),
    memoryBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'Memory, in bytes.',
      resolve: ({ known }) => whole(known.memoryBytes),
    }),
    diskBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'Size of the disk with the working directory, in bytes.',
      resolve: ({ known }) => whole(known.diskBytes),
    }),
    diskFreeBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'What was free of it when the agent started, in bytes.',
      resolve: ({ known }) => whole(known.diskFreeBytes),
    }),
    gpus: t.field({ type: [GpuRef], description: 'Its GPUs.', resolve: ({ known }) => known.gpus ?? [] }),
    all: t.expose('stored', {
      type: 'JSONObject',
      description: 'Everything that it said, also what has no field here.',
    }),
  }),
});

const GpuUseRef = builder.objectRef<GpuUse>('GpuUse').implement({
  description: 'How busy one GPU was.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: 'Its number on the machine.' }),
    utilization: t.exposeFloat('utilization', { nullable: true, description: 'Between 0 and 1.' }),
    memoryUsedBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'Memory in use, in bytes.',
      resolve: ({ memoryUsedBytes }) => whole(memoryUsedBytes),
    }),
  }),
});

/** Its state is known where agents were looked up, and is looked up where only one was at hand. */
export const AgentRef = builder.objectRef<{ agent: Agent; state?: AgentState }>('Agent').implement({
  description: 'One running process of the agent, or a polling worker.',
  fields: (t) => ({
    id: t.id({ description: 'What its claims and its subscription name.', resolve: ({ agent }) => agent.id }),
    machineId: t.string({
      description: 'The machine it runs on; several agents may share one.',
      resolve: ({ agent }) => agent.machineId,
    }),
    containerGroupId: t.string({
      description: 'The queue it works for.',
      resolve: ({ agent }) => agent.containerGroupId,
    }),
    sessionId: t.id({
      nullable: true,
      description: 'Random per process, the same over reconnections; null for a polling worker, which has none.',
      resolve: ({ agent }) => agent.sessionId,
    }),
    state: t.field({
      type: AgentStateRef,
      description: 'What it is doing.',
      resolve: async ({ agent, state }, _args, context) =>
        state ?? (await context.lookups.agent(agent.id))?.state ?? 'GONE',
    }),
    version: t.string({
      nullable: true,
      description: 'Version of its program.',
      resolve: ({ agent }) => agent.version,
    }),
    hardware: t.field({
      type: HardwareRef,
      nullable: true,
      description: 'What it says of its machine; null before it has found out.',
      resolve: ({ agent: { hardware } }) => {
        const known = hardwareOf(hardware);
        return hardware === null || known === undefined ? null : { stored: hardware, known };
      },
    }),
    gpuUse: t.field({
      type: [GpuUseRef],
      description: 'How busy its GPUs were when it last looked, which it does while a job runs.',
      resolve: ({ agent }) => agent.gpuUse ?? [],
    }),
    gpuUseAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When that was.',
      resolve: ({ agent }) => agent.gpuUseAt,
    }),
    drainingAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is asked to leave.',
      resolve: ({ agent }) => agent.drainingAt,
    }),
    registeredAt: t.field({
      type: 'DateTime',
      description: 'When its session began.',
      resolve: ({ agent }) => agent.registeredAt,
    }),
    reconnectGraceMillis: t.int({
      description: 'How long it may be without a connection before its jobs go to others, in milliseconds.',
      resolve: (_agent, _args, { reconnectGraceSeconds }) => Math.round(reconnectGraceSeconds * 1_000),
    }),
    lastSeenAt: t.field({
      type: 'DateTime',
      description: 'When it was last heard of, within some seconds.',
      resolve: ({ agent }) => agent.lastSeenAt,
    }),
  }),
});

function whole(value: number | null | undefined): string | null {
  return value === null || value === undefined ? null : String(Math.round(value));
}
