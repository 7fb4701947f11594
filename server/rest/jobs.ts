import { createRoute, z } from '@hono/zod-openapi';
import type { Viewer } from '../../core/accounts/keys.ts';
import type { Core } from '../../core/core.ts';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { jobFields } from '../../core/jobs/fields.ts';
import { listJobs, newestAttempts } from '../../core/jobs/find.ts';
import { submitJob, submitJobs, wasReplayed } from '../../core/jobs/submit.ts';
import { numberCursor, numberOfCursor } from '../../core/number-cursor.ts';
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
    if (wasReplayed(job)) context.header(REPLAYED, 'true');
    return context.json(await oneView(core, viewer, job), 202);
  });
  router.openapi({ ...submitBatch, ...writing }, async (context) => {
    const viewer = context.get('viewer');
    const key = context.req.valid('header')['idempotency-key'];
    const specs = context.req.valid('json').map((spec, index) => {
      return { ...spec, idempotencyKey: key === undefined ? null : `${key}#${index}` };
    });
    const jobs = await submitJobs(core, viewer, specs);
    if (jobs.every(wasReplayed)) context.header(REPLAYED, 'true');
    return context.json(await views(core, viewer, jobs), 202);
  });
  router.openapi({ ...list, ...reading }, async (context) => {
    const viewer = context.get('viewer');
    const { filter, slice, after } = context.req.valid('query');
    const place = { [slice.ascending ? 'above' : 'below']: numberOfCursor('after', after) };
    // One more than asked for tells whether there is more.
    const found = await listJobs(core, viewer, filter, { ...slice, ...place, limit: slice.limit + 1 });
    const jobs = found.slice(0, slice.limit);
    const last = found.length > slice.limit ? jobs.at(-1) : undefined;
    const next = last === undefined ? null : numberCursor(last.position);
    if (next !== null) context.header('Link', `<${nextPage(context.req.url, next)}>; rel="next"`);
    return context.json({ _count: jobs.length, jobs: await views(core, viewer, jobs), next }, 200);
  });
  router.openapi({ ...cancel, ...reading }, async (context) => {
    await cancelJob(core, context.get('viewer'), context.req.valid('param').id);
    return context.json({ message: 'Job canceled' }, 202);
  });
  return router;
}

/** Of the same list. Relative, so that it holds whatever a proxy has put before the path. */
function nextPage(url: string, next: string): string {
  const { searchParams } = new URL(url);
  searchParams.delete('page');
  searchParams.set('after', next);
  return `?${searchParams.toString()}`;
}

async function views(core: Core, viewer: Viewer, jobs: readonly Job[]): Promise<JobView[]> {
  const attempts = await newestAttempts(core, jobs);
  const waiting = await whyWaiting(core, jobs);
  return jobs.map((job) => viewOfJob(job, { attempt: attempts.get(job.id), waiting: waiting.get(job.id) }, viewer));
}

/** As `GET /jobs/:id` shows it. */
export async function oneView(core: Core, viewer: Viewer, job: Job): Promise<JobView> {
  const [view] = await views(core, viewer, [job]);
  if (view === undefined) throw new Error('One job has no view');
  return view;
}

export const jobId = z.object({ id: z.string().openapi({ format: 'uuid' }) });

const REPLAYED = 'Idempotency-Replayed';
const replayHeaders = {
  [REPLAYED]: {
    description: '`true` when nothing was stored, because the same was sent before under this `Idempotency-Key`',
    schema: { type: 'string' },
  },
} as const;

const idempotent = (max: number) =>
  z.object({
    'idempotency-key': jobFields.idempotencyKey
      .max(max, { error: `Expected at most ${max} characters` })
      .optional()
      .openapi({
        description:
          'The same key with the same body gives the job that was stored first, as it is now; with another body it is a conflict',
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
  responses: {
    202: { ...jsonOutput('The job, pending, or the one that was stored first', jobView), headers: replayHeaders },
    ...problemResponses(400, 401, 403, 409, 413),
  },
});

const submitBatch = createRoute({
  method: 'post',
  path: '/jobs/batch',
  summary: 'Queue up to 1,000 jobs, all or none',
  request: { headers: batchHeaders, body: jsonInput(jobsBody) },
  responses: {
    202: { ...jsonOutput('The jobs, in order', z.array(jobView)), headers: replayHeaders },
    ...problemResponses(400, 401, 403, 409, 413),
  },
});

const page = z.object({
  _count: z.int(),
  jobs: z.array(jobView),
  next: z.string().nullable().openapi({ description: 'Where the next page begins, as `after`; null at the end' }),
});

const list = createRoute({
  method: 'get',
  path: '/jobs',
  summary: 'List jobs',
  request: { query: jobQuery },
  responses: {
    200: {
      ...jsonOutput('One page of jobs; `_count` is its length', page),
      headers: {
        Link: { description: 'The next page, as `rel="next"`, where there is one', schema: { type: 'string' } },
      },
    },
    ...problemResponses(400, 401, 403),
  },
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
