import { z } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { jobView, type JobView } from './job-view.ts';
import type { RestEnv } from './parts.ts';

/** So many jobs of a list are in memory at once: each may have 256 KiB, so a whole page of 1,000 would take too much. */
const PART = 64;

export const jobPage = z.object({
  _count: z.int(),
  jobs: z.array(jobView),
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
): Promise<TypedResponse<JobPage, 200, 'json'> & Response> {
  const first = await load(ids.slice(0, PART));
  if (ids.length <= PART) return context.json({ _count: first.length, jobs: first, next }, 200);
  const answer = context.body(streamOf(texts(first, { ids, next }, load)), 200, {
    'Content-Type': 'application/json',
  });
  // The type says what the texts add up to.
  return answer as unknown as TypedResponse<JobPage, 200, 'json'> & Response;
}

/** The count comes last, when it is known. */
async function* texts(
  first: JobView[],
  { ids, next }: { ids: readonly string[]; next: string | null },
  load: (part: readonly string[]) => Promise<JobView[]>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let count = 0;
  yield encoded(`{"next":${JSON.stringify(next)},"jobs":[`);
  for (let from = 0; from < ids.length; from += PART) {
    const jobs = from === 0 ? first : await load(ids.slice(from, from + PART));
    const text = jobs.map((job) => JSON.stringify(job)).join(',');
    if (text !== '') yield encoded(count === 0 ? text : `,${text}`);
    count += jobs.length;
  }
  yield encoded(`],"_count":${count}}`);
}

/** Asked for one part at a time: nothing is loaded before its reader wants it, or after its reader has gone. */
function streamOf(parts: AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>) {
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const part = await parts.next();
        if (part.done === true) controller.close();
        else controller.enqueue(part.value);
      },
      async cancel() {
        await parts.return();
      },
    },
    { highWaterMark: 0 },
  );
}

function encoded(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
