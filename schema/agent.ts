import { drainAgent } from '../core/agents/presence.ts';
import { registerAgent, registrationSchema } from '../core/agents/register.ts';
import type { AgentSignal } from '../core/agents/signals.ts';
import { followSignals } from '../core/agents/work.ts';
import { ForbiddenError, InvalidInputError, NotFoundError } from '../core/errors.ts';
import { inputOf } from '../core/input.ts';
import { AgentRef } from './agent-type.ts';
import { builder } from './builder.ts';

const RegisterAgentInput = builder.inputType('RegisterAgentInput', {
  description: 'What an agent says of itself when it connects.',
  fields: (t) => ({
    machineId: t.string({ required: true, description: 'The machine it runs on.' }),
    containerGroupId: t.string({ required: true, description: 'The queue it works for.' }),
    sessionId: t.id({ required: true, description: 'A UUID, made anew by each process and kept over reconnections.' }),
    version: t.string({ description: 'Version of its program.' }),
    hardware: t.field({
      type: 'JSONObject',
      description:
        'What of the fields of AgentHardware it knows, under the same names (bytes as numbers), and whatever else; at most 8,192 ' +
        'bytes of JSON. Left out, what was told before stays.',
    }),
  }),
});

export const AgentSignalTypeRef = builder.enumType('AgentSignalType', {
  description: 'What a server tells an agent.',
  values: {
    WORK_AVAILABLE: { description: 'Claim now.' },
    CANCEL: { description: 'The named attempt has lost its job to a cancel: stop the command.' },
    DRAIN: { description: 'Stop, flush, release, and leave.' },
    REALLOCATE: { description: 'This machine is banned from too many jobs: ask for another one.' },
  } as const,
});

const AgentSignalRef = builder.objectRef<AgentSignal>('AgentSignal').implement({
  description: 'A hint to an agent. What it says can also be learned by asking.',
  fields: (t) => ({
    type: t.expose('type', { type: AgentSignalTypeRef, description: 'What to do.' }),
    jobId: t.id({
      nullable: true,
      description: 'The job, of a CANCEL.',
      resolve: (signal) => (signal.type === 'CANCEL' ? signal.jobId : null),
    }),
    attempt: t.int({
      nullable: true,
      description: 'The attempt, of a CANCEL.',
      resolve: (signal) => (signal.type === 'CANCEL' ? signal.attempt : null),
    }),
  }),
});

builder.mutationField('registerAgent', (t) =>
  t.field({
    type: AgentRef,
    errors: { types: [InvalidInputError, ForbiddenError] },
    description:
      'Makes an agent known, or finds the one of the same session again. The first thing after every connection.',
    args: { input: t.arg({ type: RegisterAgentInput, required: true, description: 'Itself.' }) },
    resolve: async (_root, { input }, { core, viewer }) => ({
      agent: await registerAgent(core, viewer, inputOf(viewer, 'work', registrationSchema, input)),
    }),
  }),
);

builder.mutationField('drainAgent', (t) =>
  t.field({
    type: AgentRef,
    errors: { types: [NotFoundError, ForbiddenError] },
    description: 'Asks an agent to leave: to stop its command, save what is there, give its job back, and end.',
    args: { id: t.arg.id({ required: true, description: 'The agent.' }) },
    resolve: async (_root, { id }, { core, viewer }) => ({ agent: await drainAgent(core, viewer, id) }),
  }),
);

builder.subscriptionField('agentSignals', (t) =>
  t.field({
    type: AgentSignalRef,
    description: 'What the server has to tell an agent while it is connected.',
    args: {
      agentId: t.arg.id({ required: true, description: 'The agent, as it was registered.' }),
      connection: t.arg.int({
        description: 'Counts the subscriptions of this session: one that arrives late does not replace a newer one.',
      }),
    },
    subscribe: (_root, { agentId, connection }, { core, viewer, signals }) =>
      followSignals(core, signals, viewer, { agentId, connection: connection ?? undefined }),
    resolve: (signal) => signal,
  }),
);
