import { afterAll, expect, test } from 'vitest';
import { followJobEvents } from '../../../core/events/job-feed.ts';
import { openTestCore } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

test('of a job that is removed while a slow reader follows it, everything that happened is still told', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const events = followJobEvents(core, core, viewer, { id, afterSeq: 0 });
  expect((await events.next()).value?.seq).toBe(1);
  await database.query(
    `with gone as (delete from jobs where id = $1 returning *)
     insert into job_events (job_id, seq, account_id, container_group_id, type, data)
     select id, seq, account_id, container_group_id, (case when seq = 1200 then 'PURGED' else 'PROGRESSED' end)::job_event_type, '{}'
     from gone, generate_series(2, 1200) seq order by seq`,
    [id],
  );
  const rest = (async () => {
    const seqs: number[] = [];
    for await (const { seq } of events) seqs.push(seq);
    return seqs;
  })();
  const told = { seqs: undefined as number[] | undefined };
  void rest.then((seqs) => (told.seqs = seqs));
  while (told.seqs === undefined) {
    await core.feed.runOnce();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await rest).toEqual(Array.from({ length: 1_199 }, (_, index) => index + 2));
});
