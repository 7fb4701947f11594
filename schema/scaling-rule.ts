import { z } from 'zod';
import { ConflictError, ForbiddenError, InvalidInputError, NotFoundError } from '../core/errors.ts';
import { inputOf } from '../core/input.ts';
import {
  createScalingRule,
  deleteScalingRule,
  findScalingRule,
  listScalingRules,
  RULE_DEFAULTS,
  ruleFields,
  updateScalingRule,
} from '../core/scaling/rules.ts';
import type { ScalingRule } from '../db/entities/scaling-rule.ts';
import { builder } from './builder.ts';

export const ScalingRuleRef = builder.objectRef<ScalingRule>('ScalingRule').implement({
  description: 'How many replicas a container group should have, as a function of its queue.',
  fields: (t) => ({
    containerGroupId: t.exposeString('containerGroupId', { description: 'The group; it has at most one rule.' }),
    minReplicas: t.exposeInt('minReplicas', { description: 'Never fewer than these.' }),
    maxReplicas: t.exposeInt('maxReplicas', { description: 'Never more than these.' }),
    idleThresholdSeconds: t.exposeInt('idleThresholdSeconds', {
      description: 'How long a queue must be empty before replicas are taken away, in seconds.',
    }),
    orgName: t.exposeString('orgName', {
      nullable: true,
      description: 'Organization of the credentials that made the rule.',
    }),
    projectName: t.exposeString('projectName', {
      nullable: true,
      description: 'Project of the credentials that made the rule.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const minReplicas = { description: 'Never fewer than these, 0 to 500 (0).' };
const maxReplicas = { description: 'Never more than these, 0 to 500 (100).' };
const idleThresholdSeconds = {
  description: 'How long a queue must be empty before replicas are taken away, 0 to 3,600 s (300).',
};
const groupId = { required: true, description: 'The container group.' } as const;

const CreateInput = builder.inputType('CreateScalingRuleInput', {
  description: 'A rule for a container group that has none.',
  fields: (t) => ({
    containerGroupId: t.string(groupId),
    minReplicas: t.int(minReplicas),
    maxReplicas: t.int(maxReplicas),
    idleThresholdSeconds: t.int(idleThresholdSeconds),
  }),
});

const UpdateInput = builder.inputType('UpdateScalingRuleInput', {
  description: 'What of a rule is to change; the rest stays.',
  fields: (t) => ({
    containerGroupId: t.string(groupId),
    minReplicas: t.int(minReplicas),
    maxReplicas: t.int(maxReplicas),
    idleThresholdSeconds: t.int(idleThresholdSeconds),
  }),
});

const createSchema = z.object({
  input: z.strictObject({
    containerGroupId: ruleFields.containerGroupId,
    minReplicas: ruleFields.minReplicas.nullish().transform((value) => value ?? RULE_DEFAULTS.minReplicas),
    maxReplicas: ruleFields.maxReplicas.nullish().transform((value) => value ?? RULE_DEFAULTS.maxReplicas),
    idleThresholdSeconds: ruleFields.idleThresholdSeconds
      .nullish()
      .transform((value) => value ?? RULE_DEFAULTS.idleThresholdSeconds),
  }),
});

const updateSchema = z.object({
  input: z.strictObject({
    containerGroupId: z.string(),
    minReplicas: ruleFields.minReplicas.nullish().transform((value) => value ?? undefined),
    maxReplicas: ruleFields.maxReplicas.nullish().transform((value) => value ?? undefined),
    idleThresholdSeconds: ruleFields.idleThresholdSeconds.nullish().transform((value) => value ?? undefined),
  }),
});

builder.queryField('scalingRules', (t) =>
  t.field({
    type: [ScalingRuleRef],
    description: 'All rules of the account, by container group; at most 1,000.',
    resolve: (_root, _args, { core, viewer }) => listScalingRules(core, viewer),
  }),
);

builder.queryField('scalingRule', (t) =>
  t.field({
    type: ScalingRuleRef,
    nullable: true,
    description: 'The rule of a container group, or null when it has none.',
    args: { containerGroupId: t.arg.string(groupId) },
    resolve: (_root, { containerGroupId }, { core, viewer }) =>
      findScalingRule(core, viewer, containerGroupId).catch((error: unknown) => {
        if (error instanceof NotFoundError) return null;
        throw error;
      }),
  }),
);

builder.mutationField('createScalingRule', (t) =>
  t.field({
    type: ScalingRuleRef,
    errors: { types: [InvalidInputError, ConflictError, ForbiddenError] },
    description:
      'Says how many replicas a container group should have. A group that has a rule is a conflict, also where the rule is of another account that may scale it.',
    args: { input: t.arg({ type: CreateInput, required: true, description: 'The rule.' }) },
    resolve: (_root, args, { core, viewer }) => {
      const { containerGroupId, ...terms } = inputOf(viewer, 'manage', createSchema, args).input;
      return createScalingRule(core, viewer, containerGroupId, terms);
    },
  }),
);

builder.mutationField('updateScalingRule', (t) =>
  t.field({
    type: ScalingRuleRef,
    errors: { types: [InvalidInputError, NotFoundError, ForbiddenError] },
    description: 'Changes a rule.',
    args: { input: t.arg({ type: UpdateInput, required: true, description: 'What is to change.' }) },
    resolve: (_root, args, { core, viewer }) => {
      const { containerGroupId, ...changes } = inputOf(viewer, 'manage', updateSchema, args).input;
      return updateScalingRule(core, viewer, containerGroupId, changes);
    },
  }),
);

builder.mutationField('deleteScalingRule', (t) =>
  t.field({
    type: ScalingRuleRef,
    errors: { types: [NotFoundError, ForbiddenError] },
    description: 'Removes a rule. The container group keeps the replicas that it has.',
    args: { containerGroupId: t.arg.string(groupId) },
    resolve: (_root, { containerGroupId }, { core, viewer }) => deleteScalingRule(core, viewer, containerGroupId),
  }),
);
