import { createRoute, z } from '@hono/zod-openapi';
import { containerGroupId, machineId } from '../../core/jobs/fields.ts';
import { claimJob } from '../../core/leases/claim.ts';
import { finishForWorker, heartbeatOfWorker, type PollingWorker } from '../../core/leases/polling.ts';
import { jobView, viewOfJob } from './job-view.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonInput, jsonOutput } from './router.ts';

/** The endpoints of polling workers: ask for work, say that it goes on, say how it ended. */
export function workRoutes({ core, viewerOf }: Pick<RestParts, 'core' | 'viewerOf'>) {
  const { reading, writing } = doors(viewerOf);
  const router = createRouter();

  router.openapi({ ...claim, ...reading }, async (context) => {
    // Whoever asks for the headers alone would never see the job that was claimed.
    if (context.req.method === 'HEAD') return context.json([], 200);
    const viewer = context.get('viewer');
    const job = await claimJob(core, viewer, { ...context.req.valid('query'), agentId: null });
    // A lease that has just begun has no heartbeat yet, so there is no attempt to look up.
    return context.json(job === undefined ? [] : [viewOfJob(job, {}, viewer)], 200);
  });
  router.openapi({ ...heartbeat, ...writing }, async (context) => {
    const { id } = context.req.valid('param');
    const held = await heartbeatOfWorker(core, context.get('viewer'), id, context.req.valid('json'));
    const status: z.infer<typeof heartbeatAnswer>['status'] = held ? 'running' : 'canceled';
    return context.json({ status }, 200);
  });
  router.openapi({ ...completed, ...writing }, async (context) => {
    const { id } = context.req.valid('param');
    const ending = { outcome: 'COMPLETED', reason: null } as const;
    const recorded = await finishForWorker(core, context.get('viewer'), id, context.req.valid('json'), ending);
    return context.json({ message: 'Completed reported', recorded }, 200);
  });
  router.openapi({ ...failed, ...writing }, async (context) => {
    const { id } = context.req.valid('param');
    const ending = { outcome: 'FAILED', reason: 'Reported as failed by a polling worker' } as const;
    const recorded = await finishForWorker(core, context.get('viewer'), id, context.req.valid('json'), ending);
    return context.json({ message: 'Failure reported', recorded }, 202);
  });
  return router;
}

const workerFields = { machine_id: machineId, container_group_id: containerGroupId };
const workerQuery = z.object(workerFields).transform(toWorker);
const workerBody = z.strictObject(workerFields).transform(toWorker).openapi('Worker');

function toWorker(fields: { machine_id: string; container_group_id: string }): PollingWorker {
  return { machineId: fields.machine_id, containerGroupId: fields.container_group_id };
}

const heartbeatAnswer = z.object({
  status: z
    .enum(['running', 'canceled'])
    .openapi({ description: '`canceled`: this machine does not hold the job: stop' }),
});
const reportAnswer = z.object({
  message: z.string(),
  recorded: z
    .boolean()
    .openapi({ description: 'false: another machine holds the job, or it has ended; nothing changed' }),
});

const report = {
  method: 'post',
  request: { params: z.object({ id: z.string().openapi({ format: 'uuid' }) }), body: jsonInput(workerBody) },
} as const;
const reportProblems = problemResponses(400, 401, 403, 404, 413);

const claim = createRoute({
  method: 'get',
  path: '/work',
  summary: 'Ask for work',
  request: { query: workerQuery },
  responses: {
    200: jsonOutput('Nothing, or one job, which belongs to this machine from now on', z.array(jobView)),
    ...problemResponses(400, 401, 403),
  },
});

const heartbeat = createRoute({
  ...report,
  path: '/jobs/{id}/heartbeat',
  summary: 'Keep a job',
  responses: { 200: jsonOutput('Whether to go on', heartbeatAnswer), ...reportProblems },
});

const completed = createRoute({
  ...report,
  path: '/jobs/{id}/completed',
  summary: 'Report that the command succeeded',
  responses: { 200: jsonOutput('Reported', reportAnswer), ...reportProblems },
});

const failed = createRoute({
  ...report,
  path: '/jobs/{id}/failed',
  summary: 'Report that the command failed',
  responses: { 202: jsonOutput('Reported', reportAnswer), ...reportProblems },
});
