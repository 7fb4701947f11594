import { createRoute, z } from '@hono/zod-openapi';
import type { Viewer } from '../../core/accounts/keys.ts';
import type { Core } from '../../core/core.ts';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { jobFields } from '../../core/jobs/fields.ts';
import { findJob, listJobs, newestAttempts } from '../../core/jobs/find.ts';
import { submitJob, submitJobs } from '../../core/jobs/submit.ts';
import { jobBody, jobsBody } from './job-body.ts';
import { whyWaiting } from '../../core/jobs/waiting.ts';
import { jobView, viewOfJob, type Job, type JobView } from './job-view.ts';
import { jobQuery } from './job-query.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonInput, jsonOutput } from './router.ts';

/** The endpoints of those who submit jobs and look after them. */
export function jobRoutes({ core, viewerOf }: Pick<RestParts, 'core' | 'viewerOf'>) {
  const { reading, writing } = doors(viewerOf);
  const router = createRouter();

  router.openapi({ ...submit, ...writing }, async (context) => {
    const viewer = context.get('viewer');
    const idempotencyKey = context.req.valid('header')['idempotency-key'] ?? null;
    const job = await submitJob(core, viewer, { ...context.req.valid('json'), idempotencyKey });
    return context.json(await oneView(core, viewer, job), 202);
  });
  router.openapi({ ...submitBatch, ...writing }, async (context) => {
    const viewer = context.get('viewer');
    const key = context.req.valid('header')['idempotency-key'];
    const specs = context.req.valid('json').map((spec, index) => {
      return { ...spec, idempotencyKey: key === undefined ? null : `${key}#${index}` };
    });
    return context.json(await views(core, viewer, await submitJobs(core, viewer, specs)), 202);
  });
  router.openapi({ ...list, ...reading }, async (context) => {
    const viewer = context.get('viewer');
    const { filter, slice } = context.req.valid('query');
    const jobs = await listJobs(core, viewer, filter, slice);
    return context.json({ _count: jobs.length, jobs: await views(core, viewer, jobs) }, 200);
  });
  router.openapi({ ...get, ...reading }, async (context) => {
    const viewer = context.get('viewer');
    const job = await findJob(core, viewer, context.req.valid('param').id);
    return context.json(await oneView(core, viewer, job), 200);
  });
  router.openapi({ ...cancel, ...reading }, async (context) => {
    await cancelJob(core, context.get('viewer'), context.req.valid('param').id);
    return context.json({ message: 'Job canceled' }, 202);
  });
  return router;
}

async function views(core: Core, viewer: Viewer, jobs: readonly Job[]): Promise<JobView[]> {
  const attempts = await newestAttempts(core, jobs);
  const waiting = await whyWaiting(core, jobs);
  return jobs.map((job) => viewOfJob(job, { attempt: attempts.get(job.id), waiting: waiting.get(job.id) }, viewer));
}

async function oneView(core: Core, viewer: Viewer, job: Job): Promise<JobView> {
  const [view] = await views(core, viewer, [job]);
  if (view === undefined) throw new Error('One job has no view');
  return view;
}

const jobId = z.object({ id: z.string().openapi({ format: 'uuid' }) });

const idempotent = (max: number) =>
  z.object({
    'idempotency-key': jobFields.idempotencyKey
      .max(max, { error: `Expected at most ${max} characters` })
      .optional()
      .openapi({
        description:
          'The same key with the same body gives the job that was stored first; with another body it is a conflict',
      }),
  });
const singleHeaders = idempotent(255);
/** In a batch the key of each job is this one, `#` and the job's index: up to four characters more. */
const batchHeaders = idempotent(251);

const submit = createRoute({
  method: 'post',
  path: '/jobs',
  summary: 'Queue a job',
  request: { headers: singleHeaders, body: jsonInput(jobBody) },
  responses: { 202: jsonOutput('The job, pending', jobView), ...problemResponses(400, 401, 403, 409, 413) },
});

const submitBatch = createRoute({
  method: 'post',
  path: '/jobs/batch',
  summary: 'Queue up to 1,000 jobs, all or none',
  request: { headers: batchHeaders, body: jsonInput(jobsBody) },
  responses: { 202: jsonOutput('The jobs, in order', z.array(jobView)), ...problemResponses(400, 401, 403, 409, 413) },
});

const page = z.object({ _count: z.int(), jobs: z.array(jobView) });

const list = createRoute({
  method: 'get',
  path: '/jobs',
  summary: 'List jobs',
  request: { query: jobQuery },
  responses: { 200: jsonOutput('One page of jobs; `_count` is its length', page), ...problemResponses(400, 401, 403) },
});

const get = createRoute({
  method: 'get',
  path: '/jobs/{id}',
  summary: 'Look at a job',
  request: { params: jobId },
  responses: { 200: jsonOutput('The job', jobView), ...problemResponses(401, 403, 404) },
});

const cancel = createRoute({
  method: 'delete',
  path: '/jobs/{id}',
  summary: 'Cancel a job',
  request: { params: jobId },
  responses: {
    202: jsonOutput('Canceled, now or before', z.object({ message: z.string() })),
    ...problemResponses(401, 403, 404, 409),
  },
});
