import { afterAll, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { followJobEvents } from '../../../core/events/job-feed.ts';
import { openTestCore } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

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

test('all who follow a job are told of a change by one look', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const followers = [0, 0, 0].map((afterSeq) => followJobEvents(core, core, viewer, { id, afterSeq }));
  const next = async () => (await Promise.all(followers.map((events) => events.next()))).map(({ value }) => value);
  expect((await next()).map((event) => event?.seq)).toEqual([1, 1, 1]);
  const coming = next();
  await cancelJob(core, viewer, id);
  const told = await until('all are told', async () => {
    await core.feed.runOnce();
    return Promise.race([coming, new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)))]);
  });
  expect(told.map((event) => [event?.type, event?.seq])).toEqual(Array(3).fill(['CANCELED', 2]));
  // What was read once is one object.
  expect(new Set(told).size).toBe(1);
  await Promise.all(followers.map((events) => events.return()));
});

test('who is at different places is told of what comes after its own', async () => {
  const { viewer } = await account();
  const jobs = await Promise.all([submit(core, viewer), submit(core, viewer)]);
  for (const { id } of jobs) await cancelJob(core, viewer, id);
  const places = jobs.flatMap(({ id }) => [0, 1, 2].map((afterSeq) => ({ jobId: id, afterSeq })));
  // An id means the same in capitals.
  const loud = await core.nextEvents.after({ jobId: jobs[0].id.toUpperCase(), afterSeq: 1 });
  expect(loud.map(({ seq }) => seq)).toEqual([2]);
  const found = await Promise.all(places.map((place) => core.nextEvents.after(place)));
  expect(found.map((events) => events.map(({ seq }) => seq))).toEqual([[1, 2], [2], [], [1, 2], [2], []]);
  for (const [index, events] of found.entries()) {
    expect(events.every(({ jobId }) => jobId === places[index]?.jobId)).toBe(true);
  }
});
