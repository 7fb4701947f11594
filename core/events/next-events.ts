import DataLoader from 'dataloader';
import { JobEvent } from '../../db/entities/job-event.ts';
import { plainReader, plainRows, type Row } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { asAllWhoAsk } from '../fair-share.ts';

/** A place in one job's history. */
interface Place {
  jobId: string;
  afterSeq: number;
}

/** Reads on in jobs' histories, once for all who are at the same places at the same time. Nothing is remembered. */
export interface NextEvents {
  /** The next events of a job, in order; at most `NEXT_EVENTS`. Whether the viewer may see the job is the caller's to know. */
  after(place: Place): Promise<JobEvent[]>;
}

/** So few, because they are read for many places at once: who is further behind reads pages of its own. */
export const NEXT_EVENTS = 20;
/** Places that one statement reads for. */
const MAX_PLACES = 500;

const nextStatement = statement<
  { job_ids: readonly string[]; after_seqs: readonly string[]; batch: number },
  Row & { place: number }
>('next-events');

export function createNextEvents(core: Core): NextEvents {
  const loader = new DataLoader<Place, JobEvent[]>(
    async (places) => {
      const distinct = new Map(places.map((place) => [keyOf(place), place]));
      const found = await asAllWhoAsk(() => read(core, [...distinct.values()]));
      const byKey = new Map([...distinct.keys()].map((key, index) => [key, found[index] ?? []]));
      return places.map((place) => byKey.get(keyOf(place)) ?? []);
    },
    { cache: false, maxBatchSize: MAX_PLACES },
  );
  return { after: (place) => loader.load(place) };
}

/** What comes after each of the places, in their order. */
async function read(core: Core, places: readonly Place[]): Promise<JobEvent[][]> {
  const em = plainReader(core);
  const rows = await nextStatement(em, {
    job_ids: places.map(({ jobId }) => jobId),
    after_seqs: places.map(({ afterSeq }) => String(afterSeq)),
    batch: NEXT_EVENTS,
  });
  const found = places.map((): JobEvent[] => []);
  plainRows(em, JobEvent, rows).forEach((event, index) => found[(rows[index]?.place ?? 0) - 1]?.push(event));
  return found;
}

function keyOf({ jobId, afterSeq }: Place): string {
  return `${jobId} ${afterSeq}`;
}
