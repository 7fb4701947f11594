import { createRoute, z } from '@hono/zod-openapi';
import { demand, type Viewer } from '../../core/accounts/keys.ts';
import type { Core } from '../../core/core.ts';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { jobFields } from '../../core/jobs/fields.ts';
import { findJobs, listJobPlaces, newestAttempts } from '../../core/jobs/find.ts';
import { submitBatch, submitJob, submitJobs, wasReplayed } from '../../core/jobs/submit.ts';
import { numberCursor, numberOfCursor } from '../../core/number-cursor.ts';
import { exampleId, exampleJob, exampleSubmission } from './examples.ts';
import { said } from './field-words.ts';
import { jobBody, jobsBody } from './job-body.ts';
import { whyWaiting } from '../../core/jobs/waiting.ts';
import { inPlaces, jobPage, respondWithJobs } from './job-list.ts';
import { jobView, viewOfJob, type Job, type JobView } from './job-view.ts';
import { jobQuery } from './job-query.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonInput, jsonOutput } from './router.ts';

/** The endpoints of those who submit jobs and look after them. */
export function jobRoutes({ core, viewerOf, log, places }: Pick<RestParts, 'core' | 'viewerOf' | 'log' | 'places'>) {
  const { reading, writing } = doors(viewerOf);
  const submitting = writing((viewer) => demand(viewer, 'submit'));
  const router = createRouter();

  router.openapi({ ...submit, ...submitting }, async (context) => {
    const viewer = context.get('viewer');
    const idempotencyKey = context.req.valid('header')['idempotency-key'] ?? null;
    const job = await submitJob(core, viewer, { ...context.req.valid('json'), idempotencyKey });
    if (wasReplayed(job)) context.header(REPLAYED, 'true');
    return context.json(await oneView(core, viewer, job), 202);
  });
  router.openapi({ ...submitMany, ...submitting }, async (context) => {
    const viewer = context.get('viewer');
    const key = context.req.valid('header')['idempotency-key'];
    const specs = context.req.valid('json');
    const jobs = await (key === undefined ? submitJobs(core, viewer, specs) : submitBatch(core, viewer, specs, key));
    if (jobs.every(wasReplayed)) context.header(REPLAYED, 'true');
    return context.json(await views(core, viewer, jobs), 202);
  });
  router.openapi({ ...list, ...reading }, async (context) => {
    const viewer = context.get('viewer');
    const { filter, slice, after } = context.req.valid('query');
    const place = { [slice.ascending ? 'above' : 'below']: numberOfCursor('after', after) };
    // One more than asked for tells whether there is more.
    const found = await listJobPlaces(core, viewer, filter, { ...slice, ...place, limit: slice.limit + 1 });
    const jobs = found.slice(0, slice.limit);
    const last = found.length > slice.limit ? jobs.at(-1) : undefined;
    const next = last === undefined ? null : numberCursor(last.position);
    if (next !== null) context.header('Link', `<${nextPage(context.req.url, next)}>; rel="next"`);
    const ids = jobs.map(({ id }) => id);
    const load = async (part: readonly string[]) => views(core, viewer, await findJobs(core, viewer, part));
    return respondWithJobs(context, { ids, next }, inPlaces(places, context, load), log);
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

export const jobId = z.object({ id: z.string().openapi({ format: 'uuid', example: exampleId }) });

const REPLAYED = 'Idempotency-Replayed';
const replayHeaders = {
  [REPLAYED]: {
    description: '`true` when nothing was stored, because the same was sent before under this `Idempotency-Key`',
    schema: { type: 'string' },
  },
} as const;

const idempotent = z.object({
  'idempotency-key': jobFields.idempotencyKey.optional().openapi({
    description:
      'The same key with the same body gives what was stored first, as it is now, in the same order; with another body it is a conflict. A body is what was sent, in whatever order: a field that is left out, or null, is another than one with its default',
    example: 'training-42',
  }),
});

const tags = ['jobs'];

const submit = createRoute({
  method: 'post',
  path: '/jobs',
  operationId: 'submitJob',
  tags,
  summary: 'Queue a job',
  description:
    'Only the command and the container group are needed. The job is handed to a machine of that group as soon as one is free. At most 256 KiB are stored of a job.',
  request: { headers: idempotent, body: jsonInput(jobBody, exampleSubmission) },
  responses: {
    202: {
      ...jsonOutput('The job, pending, or the one that was stored first', jobView, exampleJob),
      headers: replayHeaders,
    },
    ...problemResponses(400, 401, 403, 409, 413),
  },
});

const submitMany = createRoute({
  method: 'post',
  path: '/jobs/batch',
  operationId: 'submitJobs',
  tags,
  summary: 'Queue up to 1,000 jobs, all or none',
  description: 'Stored in one transaction, in the given order. A fault in one refuses all; `index` says in which.',
  request: { headers: idempotent, body: jsonInput(jobsBody, [exampleSubmission]) },
  responses: {
    202: { ...jsonOutput('The jobs, in order', z.array(jobView), [exampleJob]), headers: replayHeaders },
    ...problemResponses(400, 401, 403, 409, 413),
  },
});

const list = createRoute({
  method: 'get',
  path: '/jobs',
  operationId: 'listJobs',
  tags,
  summary: 'List jobs',
  description: 'The account’s jobs, newest first, page by page. The admin sees everybody’s.',
  request: { query: jobQuery },
  responses: {
    200: {
      ...jsonOutput('One page of jobs; `_count` is its length', jobPage, { _count: 1, jobs: [exampleJob], next: null }),
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
  operationId: 'cancelJob',
  tags,
  summary: 'Cancel a job',
  description: 'Pending or running. Canceling twice is fine; what has completed or failed is a conflict.',
  request: { params: jobId },
  responses: {
    202: jsonOutput('Canceled, now or before', z.object({ message: said(z.string(), 'For a person') }), {
      message: 'Job canceled',
    }),
    ...problemResponses(401, 403, 404, 409),
  },
});
