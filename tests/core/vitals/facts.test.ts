import { expect, test } from 'vitest';
import type { Fact } from '../../../core/vitals/facts.ts';
import { listenFacts } from '../../../core/vitals/facts.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, endings, runOut, submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

test('each server tells of every claim, ending and recovery, whoever made them', async () => {
  await using stack = new AsyncDisposableStack();
  const { core, database, account, close } = await openTestCore();
  stack.defer(close);
  const facts: Fact[] = [];
  listenFacts(core.feed, (fact) => facts.push(fact));
  const { viewer } = await account();

  await submit(core, viewer);
  await claim(core, viewer, 'first');
  await runOut(database);
  expect(await rescueExpired(core)).toEqual({ expired: 1 });
  await database.query(`update job_events set at = at - interval '90 seconds' where type = 'ATTEMPT_ENDED'`);
  const second = await claim(core, viewer, 'second');
  await finishAttempt(core, viewer, second.lease, endings.released);
  const third = await claim(core, viewer, 'third');
  await finishAttempt(core, viewer, third.lease, endings.completed);
  // Whatever is open in the databases of other tests holds up what is settled here for a while.
  const ofAttempts = () => facts.flatMap((fact) => (fact.kind === 'event' ? [] : [fact]));
  await until('the last ending', async () => {
    await core.feed.runOnce();
    return ofAttempts().some((fact) => fact.kind === 'attemptEnded' && fact.outcome === 'COMPLETED');
  });

  const told = ofAttempts();
  expect(told).toEqual([
    { kind: 'attemptEnded', outcome: 'LOST' },
    { kind: 'recovered', outcome: 'LOST', seconds: expect.any(Number) as number },
    { kind: 'attemptEnded', outcome: 'RELEASED' },
    { kind: 'recovered', outcome: 'RELEASED', seconds: expect.any(Number) as number },
    { kind: 'attemptEnded', outcome: 'COMPLETED' },
  ]);
  expect(told[1]).toHaveProperty(
    'seconds',
    expect.toSatisfy((seconds: number) => seconds >= 90),
  );
  expect(facts.filter((fact) => fact.kind === 'event' && fact.type === 'CLAIMED')).toHaveLength(3);
});
