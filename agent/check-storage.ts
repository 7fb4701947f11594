import { inTime } from '../lib/pause.ts';
import type { Finding } from './finding.ts';
import { causeOf } from './sync/cause.ts';
import type { ObjectStore } from './sync/s3.ts';

export type CheckedStore = Pick<ObjectStore, 'name' | 'ready' | 'probe'>;

/** Asks the storage whether it takes the agent's credentials, within so many milliseconds. Never rejects. */
export async function checkStorage(store: CheckedStore, withinMs: number): Promise<Finding> {
  const what = 'storage';
  try {
    const reception = await inTime(withinMs, async (signal) => {
      await store.ready();
      return store.probe(signal);
    });
    if (reception.kind === 'KNOWN') {
      return { what, verdict: 'GOOD', says: `${store.name} takes the credentials; buckets were not looked at` };
    }
    const { code, advice } = reception;
    return { what, verdict: 'WRONG', says: `${store.name} refuses the credentials (${code}): ${advice}` };
  } catch (error) {
    // Where it comes from there may be what was asked for, signature and all.
    return { what, verdict: 'LIMITED', says: `${causeOf(error, store.name)}: ${WITHOUT}` };
  }
}

const WITHOUT = 'jobs that have files to sync fail, others do not mind; check AWS_ENDPOINT_URL and the AWS_ variables';
