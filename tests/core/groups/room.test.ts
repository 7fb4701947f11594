import { afterAll, expect, test } from 'vitest';
import { isAsking } from '../../../core/fair-share.ts';
import { groupFigures, type GroupFigures } from '../../../core/groups/figures.ts';
import { openRoom } from '../../../core/groups/room.ts';
import { latest } from '../../../lib/latest.ts';
import { openTestCore } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';

const { core, account, close } = await openTestCore();
afterAll(close);

test('the groups that an account watches are counted in its turns, by few statements one after the other', async () => {
  const { viewer } = await account();
  await submit(core, viewer, { containerGroupId: 'group-59' });
  const statements: { size: number; isAsking: boolean }[] = [];
  let [now, most] = [0, 0];
  const room = openRoom(viewer.accountId, async (ids) => {
    statements.push({ size: ids.length, isAsking: isAsking() });
    most = Math.max(most, ++now);
    return groupFigures(core, viewer, ids).finally(() => (now -= 1));
  });
  const readers = Array.from({ length: 60 }, () => latest<GroupFigures>());
  const leave = readers.map((reader, n) => room.enter(`group-${n}`, reader));
  readers.forEach((_reader, n) => room.wake(`group-${n}`));
  const told = await Promise.all(readers.map(async (reader) => (await reader.next()).value));
  expect(told.map((figures) => figures?.id)).toEqual(readers.map((_reader, n) => `group-${n}`));
  expect(told.at(-1)).toMatchObject({ pending: 1 });
  expect(statements).toEqual([25, 25, 10].map((size) => ({ size, isAsking: true })));
  expect(most).toBe(1);
  leave.forEach((go) => go());
  expect(room.isEmpty()).toBe(true);
});
