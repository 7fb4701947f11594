import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { createUnread, type Unread } from '../../server/unread.ts';

/** A look at what is unread, and more. */
const A_WHILE_MS = 1_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Something that holds so many bytes, and is told to end by what it is watched by. */
function hold(unread: Unread, bytes: number) {
  const held = { bytes, isEnded: false };
  const leave = unread.watch({
    unreadBytes: () => held.bytes,
    end: () => {
      held.isEnded = true;
      leave();
    },
  });
  onTestFinished(leave);
  return held;
}

function pass(): void {
  vi.advanceTimersByTime(A_WHILE_MS);
}

test('who is sent more and more and reads nothing is ended before who came later and stands still', () => {
  const unread = createUnread(1_000);
  const growing = hold(unread, 400);
  pass();
  const still = hold(unread, 500);
  for (const bytes of [450, 500]) {
    growing.bytes = bytes;
    pass();
    expect([growing.isEnded, still.isEnded]).toEqual([false, false]);
  }
  growing.bytes += 1;
  pass();
  expect([growing.isEnded, still.isEnded]).toEqual([true, false]);
});

test('who has read something, or everything, since is ended after who has not', () => {
  const unread = createUnread(1_000);
  const [slow, idle] = [hold(unread, 500), hold(unread, 0)];
  pass();
  const still = hold(unread, 400);
  pass();
  slow.bytes -= 1;
  pass();
  idle.bytes = 200;
  pass();
  expect([slow.isEnded, idle.isEnded, still.isEnded]).toEqual([false, false, true]);
});
