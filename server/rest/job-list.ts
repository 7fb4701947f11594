import { z } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { messageOf } from '../../lib/errors.ts';
import type { ExecutionPlaces } from '../execution-places.ts';
import { said } from './field-words.ts';
import { jobView, type JobView } from './job-view.ts';
import type { RestEnv, RestLog } from './parts.ts';
import { streamOf } from './stream.ts';

/** So many jobs of a list are in memory at once: each may have 256 KiB, so a whole page of 1,000 would take too much. */
const PART = 32;

export const jobPage = z.object({
  _count: said(z.int(), 'How many jobs this page has'),
  jobs: said(z.array(jobView), 'In order'),
  next: z.string().nullable().openapi({ description: 'Where the next page begins, as `after`; null at the end' }),
});
type JobPage = z.infer<typeof jobPage>;

/** Texts of some jobs of a list. @param hasBegun whether others were sent already: they are waited for however long that takes */
type LoadTexts = (part: readonly string[], hasBegun: boolean) => Promise<string[]>;

/** Has each part of a list looked up and written out in one place of those in which operations are executed: all of it is in memory until then. */
export function inPlaces(
  places: ExecutionPlaces,
  context: Context<RestEnv>,
  load: (part: readonly string[]) => Promise<JobView[]>,
): LoadTexts {
  const { accountId, keyId } = context.get('viewer');
  const asker = { accountId, keyId, gone: () => context.req.raw.signal };
  return async (part, hasBegun) => {
    const giveBack = await places.take(asker, { isPatient: hasBegun });
    try {
      return (await load(part)).map((job) => JSON.stringify(job));
    } finally {
      giveBack();
    }
  };
}

/**
 * Answers with a page of jobs, part by part where there are many, as fast as the reader takes them. What was removed since the
 * ids were looked up is left out.
 * @throws what `load` throws for the first part; later, the answer breaks off, so that nobody takes a part for the whole
 */
export async function respondWithJobs(
  context: Context<RestEnv>,
  { ids, next }: { ids: readonly string[]; next: string | null },
  load: LoadTexts,
  log: RestLog,
): Promise<TypedResponse<JobPage, 200, 'json'> & Response> {
  const first = await load(ids.slice(0, PART), false);
  const body =
    ids.length <= PART
      ? `{"_count":${first.length},"jobs":[${first.join(',')}],"next":${JSON.stringify(next)}}`
      : streamOf({
          parts: texts(first, { ids, next }, load),
          encode: (text: string) => text,
          end: '',
          hangUp: () => context.env.hangUp(),
          onError: (error) => {
            // Nobody waits for the rest any more.
            if (context.req.raw.signal.aborted) return;
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
  first: string[],
  { ids, next }: { ids: readonly string[]; next: string | null },
  load: LoadTexts,
): AsyncGenerator<string, void, undefined> {
  let count = 0;
  yield `{"next":${JSON.stringify(next)},"jobs":[`;
  for (let from = 0; from < ids.length; from += PART) {
    // Taken out of the list of the first: whoever reads slowly keeps nothing here that was sent.
    const jobs = from === 0 ? first.splice(0) : await load(ids.slice(from, from + PART), true);
    const before = count === 0 ? '' : ',';
    count += jobs.length;
    if (jobs.length > 0) yield before + jobs.splice(0).join(',');
  }
  yield `],"_count":${count}}`;
}
