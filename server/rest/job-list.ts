import { z } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { messageOf } from '../../lib/errors.ts';
import { said } from './field-words.ts';
import { jobView, type JobView } from './job-view.ts';
import type { RestEnv, RestLog } from './parts.ts';
import { streamOf } from './stream.ts';

/** So many jobs of a list are in memory at once: each may have 256 KiB, so a whole page of 1,000 would take too much. */
const PART = 64;

export const jobPage = z.object({
  _count: said(z.int(), 'How many jobs this page has'),
  jobs: said(z.array(jobView), 'In order'),
  next: z.string().nullable().openapi({ description: 'Where the next page begins, as `after`; null at the end' }),
});
type JobPage = z.infer<typeof jobPage>;

/**
 * Answers with a page of jobs, part by part where there are many, as fast as the reader takes them. What was removed since the
 * ids were looked up is left out.
 * @throws what `load` throws for the first part; later, the answer breaks off, so that nobody takes a part for the whole
 */
export async function respondWithJobs(
  context: Context<RestEnv>,
  { ids, next }: { ids: readonly string[]; next: string | null },
  load: (part: readonly string[]) => Promise<JobView[]>,
  log: RestLog,
): Promise<TypedResponse<JobPage, 200, 'json'> & Response> {
  const first = await load(ids.slice(0, PART));
  if (ids.length <= PART) return context.json({ _count: first.length, jobs: first, next }, 200);
  const body = streamOf({
    parts: texts(first, { ids, next }, load),
    encode: (text: string) => text,
    end: '',
    hangUp: () => context.env.hangUp(),
    onError: (error) => {
      const about = { err: error, request_id: context.get('requestId') };
      log.error(about, `A list of jobs broke off: ${messageOf(error)}`);
    },
  });
  const answer = context.body(body, 200, { 'Content-Type': 'application/json' });
  // The type says what the texts add up to.
  return answer as unknown as TypedResponse<JobPage, 200, 'json'> & Response;
}

/** The count comes last, when it is known. */
async function* texts(
  first: JobView[],
  { ids, next }: { ids: readonly string[]; next: string | null },
  load: (part: readonly string[]) => Promise<JobView[]>,
): AsyncGenerator<string, void, undefined> {
  let count = 0;
  yield `{"next":${JSON.stringify(next)},"jobs":[`;
  for (let from = 0; from < ids.length; from += PART) {
    const jobs = from === 0 ? first : await load(ids.slice(from, from + PART));
    const text = jobs.map((job) => JSON.stringify(job)).join(',');
    if (text !== '') yield count === 0 ? text : `,${text}`;
    count += jobs.length;
  }
  yield `],"_count":${count}}`;
}
