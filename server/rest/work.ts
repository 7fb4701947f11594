import { createRoute, z } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { asWork } from '../../core/fair-share.ts';
import { demand } from '../../core/accounts/keys.ts';
import { containerGroupId, machineId } from '../../core/jobs/fields.ts';
import type { NamedLease } from '../../core/leases/own.ts';
import { claimForWorker, finishForWorker, heartbeatOfWorker, type PollingWorker } from '../../core/leases/polling.ts';
import type { Bodies } from '../bodies.ts';
import { PayloadTooLargeError } from '../json-body.ts';
import { withJson } from './body.ts';
import { exampleId, exampleRunning, exampleWorker } from './examples.ts';
import { said } from './field-words.ts';
import { jobView, viewOfJob } from './job-view.ts';
import { problemResponses } from './problem.ts';
import type { RestEnv, RestParts } from './parts.ts';
import { createRouter, doors, jsonInput, jsonOutput } from './router.ts';

/** The endpoints of polling workers: ask for work, say that it goes on, say how it ended. */
export function workRoutes({ core, viewerOf, callerOf }: Pick<RestParts, 'core' | 'viewerOf' | 'callerOf'>) {
  const { reading } = doors(viewerOf);
  const reporting = { middleware: [reportDoor(callerOf)] };
  const router = createRouter();

  router.openapi({ ...claim, ...reading }, async (context) => {
    // Whoever asks for the headers alone would never see the job that was claimed.
    if (context.req.method === 'HEAD') return context.json([], 200);
    const viewer = context.get('viewer');
    const job = await asWork(() => claimForWorker(core, viewer, context.req.valid('query')));
    // A lease that has just begun has no heartbeat yet, so there is no attempt to look up.
    return context.json(job === undefined ? [] : [viewOfJob(job, {}, viewer)], 200);
  });
  router.openapi({ ...heartbeat, ...reporting }, async (context) => {
    const { id } = context.req.valid('param');
    const held = await heartbeatOfWorker(core, context.get('viewer'), id, context.req.valid('json'));
    const status: z.infer<typeof heartbeatAnswer>['status'] = held ? 'running' : 'canceled';
    return context.json({ status }, 200);
  });
  router.openapi({ ...completed, ...reporting }, async (context) => {
    const { id } = context.req.valid('param');
    const ending = { outcome: 'COMPLETED', reason: null } as const;
    const recorded = await finishForWorker(core, context.get('viewer'), id, context.req.valid('json'), ending);
    return context.json({ message: 'Completed reported', recorded }, 200);
  });
  router.openapi({ ...failed, ...reporting }, async (context) => {
    const { id } = context.req.valid('param');
    const ending = { outcome: 'FAILED', reason: 'Reported as failed by a polling worker' } as const;
    const recorded = await finishForWorker(core, context.get('viewer'), id, context.req.valid('json'), ending);
    return context.json({ message: 'Failure reported', recorded }, 202);
  });
  return router;
}

/** Lets reports in, counted for the machine and the job that they name: whatever else a fleet's key is used for costs no lease. */
function reportDoor(callerOf: RestParts['callerOf']) {
  return createMiddleware<RestEnv>(async (context, next) => {
    const caller = await callerOf(context.req.raw);
    context.set('viewer', caller.viewer);
    context.header('Cache-Control', 'no-store');
    let lease: NamedLease | undefined;
    try {
      demand(caller.viewer, 'work');
      const bound = boundOfReports(context.get('bodies'));
      lease = await withJson(context, bound, (body) => leaseIn(context.req.param('id'), body));
    } finally {
      // One that is refused counts as well.
      await caller.count(lease);
    }
    await next();
  });
}

/** Such a body has two ids, and nothing else. */
const MOST_OF_REPORT = 65_536;

function boundOfReports({ bound }: Bodies): Bodies['bound'] {
  if (bound.bytes <= MOST_OF_REPORT) return bound;
  const refusal = () => new PayloadTooLargeError(MOST_OF_REPORT, 'in a report: it has two members');
  return { bytes: MOST_OF_REPORT, refusal };
}

const named = z.object({ id: z.uuid().toLowerCase(), body: z.object({ machine_id: machineId }) });

function leaseIn(id: string | undefined, body: unknown): NamedLease | undefined {
  const { data } = named.safeParse({ id, body });
  return data && { jobId: data.id, machineId: data.body.machine_id };
}

const workerFields = {
  machine_id: said(machineId, 'The machine that works'),
  container_group_id: said(containerGroupId, 'The container group whose jobs it takes'),
};
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
  message: said(z.string(), 'For a person'),
  recorded: z
    .boolean()
    .openapi({ description: 'false: another machine holds the job, or it has ended; nothing changed' }),
});

const tags = ['polling workers'];
const report = {
  method: 'post' as const,
  tags,
  request: {
    params: z.object({ id: z.string().openapi({ format: 'uuid', example: exampleId }) }),
    body: jsonInput(workerBody, exampleWorker),
  },
};
const reportProblems = problemResponses(400, 401, 403, 404, 413);

const claim = createRoute({
  method: 'get',
  path: '/work',
  operationId: 'claimJob',
  tags,
  summary: 'Ask for work',
  description:
    'Claims the oldest job of the highest priority of the container group that this machine has not failed at. From now on the machine holds the job by a lease of twice the job’s `heartbeat_interval`; each heartbeat renews it, and when it runs out, another machine gets the job. Several workers may run on one machine: each claim is another job. A worker to which the answer gets lost does not hold what it never heard of: it asks again and gets another job, and the lost one is handed out again when its lease has run out.',
  request: { query: workerQuery },
  responses: {
    200: jsonOutput('Nothing, or one job, which belongs to this machine from now on', z.array(jobView), [
      exampleRunning,
    ]),
    ...problemResponses(400, 401, 403),
  },
});

const heartbeat = createRoute({
  ...report,
  path: '/jobs/{id}/heartbeat',
  operationId: 'heartbeat',
  summary: 'Keep a job',
  description:
    'Renews the lease, also one that has run out, while nobody else has the job. To be sent every `heartbeat_interval` seconds.',
  responses: {
    200: jsonOutput('Whether to go on', heartbeatAnswer, { status: 'running' }),
    ...reportProblems,
  },
});

const completed = createRoute({
  ...report,
  path: '/jobs/{id}/completed',
  operationId: 'reportCompleted',
  summary: 'Report that the command succeeded',
  description: 'To be sent when all outputs are in storage. Repeating it is safe.',
  responses: {
    200: jsonOutput('Reported', reportAnswer, { message: 'Completed reported', recorded: true }),
    ...reportProblems,
  },
});

const failed = createRoute({
  ...report,
  path: '/jobs/{id}/failed',
  operationId: 'reportFailed',
  summary: 'Report that the command failed',
  description: 'Spends one of the job’s `max_failures`, and keeps the job from this machine. Repeating it is safe.',
  responses: {
    202: jsonOutput('Reported', reportAnswer, { message: 'Failure reported', recorded: true }),
    ...reportProblems,
  },
});
