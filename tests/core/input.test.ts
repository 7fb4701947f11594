import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Viewer } from '../../core/accounts/keys.ts';
import { ForbiddenError, InvalidInputError } from '../../core/errors.ts';
import { longInputOf } from '../../core/input.ts';

const viewer: Viewer = { accountId: 'a', keyId: 'k', role: 'SUBMITTER', isAdmin: false };

test('what takes long to look at is looked at in a turn of its own, though it be refused at once, as those after it', async () => {
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const lookedAtIn: number[] = [];
  const schema = z.unknown().refine(() => {
    lookedAtIn.push(turns);
    return false;
  });
  for (let field = 0; field < 5; field += 1) {
    await expect(longInputOf(viewer, 'submit', schema, {})).rejects.toBeInstanceOf(InvalidInputError);
  }
  clearImmediate(next);
  expect(new Set(lookedAtIn).size).toBe(5);
});

test('what takes long to look at is not looked at where its sender may not send it', async () => {
  const unread = z.unknown().refine(() => expect.unreachable());
  await expect(longInputOf({ ...viewer, role: 'VIEWER' }, 'submit', unread, {})).rejects.toBeInstanceOf(ForbiddenError);
});
