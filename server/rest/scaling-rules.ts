import { createRoute, z } from '@hono/zod-openapi';
import { demand } from '../../core/accounts/keys.ts';
import {
  clearScalingRules,
  createScalingRule,
  deleteScalingRule,
  findScalingRule,
  listScalingRules,
  RULE_DEFAULTS,
  ruleFields,
  updateScalingRule,
} from '../../core/scaling/rules.ts';
import { exampleGroup, exampleRule } from './examples.ts';
import { accountWords, ruleWords, said } from './field-words.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonInput, jsonOutput } from './router.ts';

/** The endpoints about how many replicas container groups should have. A rule's id is its group's. */
export function scalingRuleRoutes({ core, viewerOf }: Pick<RestParts, 'core' | 'viewerOf'>) {
  const { reading, writing } = doors(viewerOf);
  const managing = writing((viewer) => demand(viewer, 'manage'));
  const router = createRouter();

  router.openapi({ ...create, ...managing }, async (context) => {
    const { containerGroupId, ...terms } = context.req.valid('json');
    return context.json(viewOf(await createScalingRule(core, context.get('viewer'), containerGroupId, terms)), 201);
  });
  router.openapi({ ...list, ...reading }, async (context) => {
    const rules = await listScalingRules(core, context.get('viewer'));
    return context.json({ _count: rules.length, rules: rules.map(viewOf) }, 200);
  });
  router.openapi({ ...get, ...reading }, async (context) => {
    const rule = await findScalingRule(core, context.get('viewer'), context.req.valid('param').id);
    return context.json(viewOf(rule), 200);
  });
  router.openapi({ ...update, ...managing }, async (context) => {
    const { id } = context.req.valid('param');
    const rule = await updateScalingRule(core, context.get('viewer'), id, context.req.valid('json'));
    return context.json(viewOf(rule), 200);
  });
  router.openapi({ ...remove, ...reading }, async (context) => {
    await deleteScalingRule(core, context.get('viewer'), context.req.valid('param').id);
    return context.body(null, 204);
  });
  router.openapi({ ...clear, ...reading }, async (context) => {
    await clearScalingRules(core, context.get('viewer'));
    return context.body(null, 204);
  });
  return router;
}

const ruleView = z
  .object({
    container_group_id: said(z.string(), ruleWords.containerGroupId),
    container_group_name: said(z.string().nullable(), 'As the provider of machines calls it; null where none tells it'),
    org_name: said(z.string().nullable(), 'Organization of the key that made the rule'),
    project_name: said(z.string().nullable(), 'Project of the key that made the rule'),
    user_id: said(z.uuid(), accountWords.userId),
    min_replicas: said(z.int(), ruleWords.minReplicas),
    max_replicas: said(z.int(), ruleWords.maxReplicas),
    idle_threshold_seconds: said(z.int(), ruleWords.idleThresholdSeconds),
    created: said(z.iso.datetime(), accountWords.created),
    updated: said(z.iso.datetime(), accountWords.updated),
  })
  .openapi('ScalingRule');

function viewOf(rule: Awaited<ReturnType<typeof findScalingRule>>): z.infer<typeof ruleView> {
  return {
    container_group_id: rule.containerGroupId,
    container_group_name: rule.groupName,
    org_name: rule.orgName,
    project_name: rule.projectName,
    user_id: rule.accountId,
    min_replicas: rule.minReplicas,
    max_replicas: rule.maxReplicas,
    idle_threshold_seconds: rule.idleThresholdSeconds,
    created: rule.createdAt.toISOString(),
    updated: rule.updatedAt.toISOString(),
  };
}

const { minReplicas, maxReplicas, idleThresholdSeconds } = RULE_DEFAULTS;
const newRule = z
  .strictObject({
    container_group_id: said(ruleFields.containerGroupId, ruleWords.containerGroupId),
    min_replicas: said(ruleFields.minReplicas.nullish(), ruleWords.minReplicas, minReplicas),
    max_replicas: said(ruleFields.maxReplicas.nullish(), ruleWords.maxReplicas, maxReplicas),
    idle_threshold_seconds: said(
      ruleFields.idleThresholdSeconds.nullish(),
      ruleWords.idleThresholdSeconds,
      idleThresholdSeconds,
    ),
  })
  .transform((body) => ({
    containerGroupId: body.container_group_id,
    minReplicas: body.min_replicas ?? minReplicas,
    maxReplicas: body.max_replicas ?? maxReplicas,
    idleThresholdSeconds: body.idle_threshold_seconds ?? idleThresholdSeconds,
  }))
  .openapi('NewScalingRule');

const changes = z
  .strictObject({
    min_replicas: said(ruleFields.minReplicas.optional(), ruleWords.minReplicas),
    max_replicas: said(ruleFields.maxReplicas.optional(), ruleWords.maxReplicas),
    idle_threshold_seconds: said(ruleFields.idleThresholdSeconds.optional(), ruleWords.idleThresholdSeconds),
  })
  .transform((body) => ({
    minReplicas: body.min_replicas,
    maxReplicas: body.max_replicas,
    idleThresholdSeconds: body.idle_threshold_seconds,
  }))
  .openapi('ScalingRuleChanges');

/** Not held to the bounds of an id: what can't be one is just not found. */
const params = z.object({
  id: z.string().openapi({ example: exampleGroup, description: 'Id of the container group' }),
});
const tags = ['scaling rules'];
const written = { container_group_id: exampleGroup, min_replicas: 0, max_replicas: 10, idle_threshold_seconds: 300 };

const create = createRoute({
  method: 'post',
  path: '/scaling-rules',
  operationId: 'createScalingRule',
  tags,
  summary: 'Make a scaling rule',
  description: 'Says how many replicas a container group should have. A group has at most one rule, an account 1,000.',
  request: { body: jsonInput(newRule, written) },
  responses: { 201: jsonOutput('The rule', ruleView, exampleRule), ...problemResponses(400, 401, 403, 409, 413, 503) },
});

const page = z.object({
  _count: said(z.int(), 'How many these are'),
  rules: said(z.array(ruleView), 'By container group'),
});
const list = createRoute({
  method: 'get',
  path: '/scaling-rules',
  operationId: 'listScalingRules',
  tags,
  summary: 'List scaling rules',
  description: 'All rules of the account, by container group.',
  responses: {
    200: jsonOutput('All of them; `_count` is how many', page, { _count: 1, rules: [exampleRule] }),
    ...problemResponses(401, 403),
  },
});

const get = createRoute({
  method: 'get',
  path: '/scaling-rules/{id}',
  operationId: 'getScalingRule',
  tags,
  summary: 'Look at a scaling rule',
  description: 'The rule of one container group. Another account’s rule is not found.',
  request: { params },
  responses: { 200: jsonOutput('The rule', ruleView, exampleRule), ...problemResponses(401, 403, 404) },
});

const update = createRoute({
  method: 'patch',
  path: '/scaling-rules/{id}',
  operationId: 'updateScalingRule',
  tags,
  summary: 'Change a scaling rule',
  description: 'What is given is changed, the rest stays.',
  request: { params, body: jsonInput(changes, { max_replicas: 20 }) },
  responses: {
    200: jsonOutput('The rule as it is now', ruleView, { ...exampleRule, max_replicas: 20 }),
    ...problemResponses(400, 401, 403, 404, 413),
  },
});

const remove = createRoute({
  method: 'delete',
  path: '/scaling-rules/{id}',
  operationId: 'deleteScalingRule',
  tags,
  summary: 'Remove a scaling rule',
  description: 'The container group keeps the replicas that it has.',
  request: { params },
  responses: { 204: { description: 'It is gone' }, ...problemResponses(401, 403, 404) },
});

const clear = createRoute({
  method: 'delete',
  path: '/scaling-rules',
  operationId: 'clearScalingRules',
  tags: ['admin'],
  summary: 'Remove every scaling rule of every account',
  description: 'For the admin.',
  responses: { 204: { description: 'All of them are gone' }, ...problemResponses(401, 403) },
});
