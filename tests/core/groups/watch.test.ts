import { afterAll, describe, expect, test } from 'vitest';
import { RateLimitedError } from '../../../core/errors.ts';
import type { GroupFigures } from '../../../core/groups/figures.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

/** Reads on until the group is as wanted, while the feed is read as a server does. */
async function next(states: AsyncGenerator<GroupFigures>, wanted: (figures: GroupFigures) => boolean) {
  const feeding = setInterval(() => void core.feed.runOnce(), 50);
  try {
    for (;;) {
      const step = await states.next();
      if (step.done === true || wanted(step.value)) return step.value as GroupFigures | undefined;
    }
  } finally {
    clearInterval(feeding);
  }
}

describe('watching a container group', () => {
  test('gives the present state first, then changes, coalesced, to all who watch', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const [one, two] = [core.groupWatchers.watch(viewer, 'group'), core.groupWatchers.watch(viewer, 'group')];
    expect((await one.next()).value).toMatchObject({ pending: 1, running: 0 });
    expect((await two.next()).value).toMatchObject({ pending: 1, running: 0 });
    const began = performance.now();
    for (let index = 0; index < 20; index++) await submit(core, viewer);
    await claim(core, viewer);
    let told = 0;
    const seen = await next(one, ({ pending, running }) => {
      told += 1;
      return pending === 20 && running === 1;
    });
    expect(seen).toBeDefined();
    expect(told).toBeLessThanOrEqual(2 + (performance.now() - began) / 500);
    expect(await next(two, ({ pending }) => pending === 20)).toMatchObject({ running: 1 });
    await Promise.all([one.return(), two.return()]);
  });

  test('what no event tells is noticed all the same', async () => {
    const { viewer } = await account();
    const states = core.groupWatchers.watch(viewer, 'group');
    expect((await states.next()).value?.agents.idle).toBe(0);
    await database.query(
      `insert into agents (account_id, machine_id, container_group_id, session_id) values ($1, 'm', 'group', gen_random_uuid())`,
      [viewer.accountId],
    );
    expect((await next(states, ({ agents }) => agents.idle === 1))?.agents.idle).toBe(1);
    await states.return();
  });

  test('ends at once when its reader leaves, and when the key is revoked', async () => {
    const { viewer } = await account();
    const [left, revoked] = [core.groupWatchers.watch(viewer, 'group'), core.groupWatchers.watch(viewer, 'group')];
    await Promise.all([left.next(), revoked.next()]);
    const waiting = left.next();
    await left.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    const ending = revoked.next();
    await core.keyWatch.runOnce();
    expect(await ending).toEqual({ done: true, value: undefined });
  });

  test('is of a hundred groups with one key at most; one that is left makes room', async () => {
    const { viewer } = await account();
    const watch = (id: string) => core.groupWatchers.watch(viewer, id);
    const watching = Array.from({ length: 100 }, (_, n) => watch(`group-${n}`));
    const late = watch('late');
    for (const states of watching) await states.next();
    expect(() => watch('group-100')).toThrow('watches 100 container groups');
    await expect(late.next()).rejects.toBeInstanceOf(RateLimitedError);
    const again = watch('group-0');
    expect((await again.next()).value).toMatchObject({ id: 'group-0' });
    await watching[1]?.return();
    const next = watch('group-100');
    expect((await next.next()).value).toMatchObject({ id: 'group-100' });
    await Promise.all([...watching, again, next].map((states) => states.return()));
  });

  test('is for who may read', async () => {
    const { viewer } = await account('AGENT');
    await expect(core.groupWatchers.watch(viewer, 'group').next()).rejects.toThrow('may read');
  });
});
