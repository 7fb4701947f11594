import { expect, test } from 'vitest';
import { repeatUntilAnswered } from '../../lib/repeat.ts';

const never = new AbortController().signal;
const quick = { baseMs: 1, capMs: 2, tryMs: 10_000, signal: never };

test('the first answer ends the asking', async () => {
  const failures: number[] = [];
  let asked = 0;
  const answer = await repeatUntilAnswered(
    async () => {
      if (++asked < 3) throw new Error('not yet');
      return 'here';
    },
    { ...quick, onFailure: (_, count) => failures.push(count) },
  );
  expect([answer, asked, failures]).toEqual(['here', 3, [1, 2]]);
});

test('a question that hangs is given up and asked again', async () => {
  let asked = 0;
  const failures: unknown[] = [];
  const ask = (signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      if (++asked === 2) resolve('here');
      signal.addEventListener('abort', () => reject(new Error('given up')));
    });
  const answer = await repeatUntilAnswered(ask, { ...quick, tryMs: 20, onFailure: (error) => failures.push(error) });
  expect(answer).toBe('here');
  expect(String(failures[0])).toContain('no answer within 20 ms');
});

test('an aborted signal ends the asking without an answer', async () => {
  const stop = new AbortController();
  const ask = () => {
    stop.abort();
    return Promise.reject<string>(new Error('down'));
  };
  const answer = await repeatUntilAnswered(ask, { ...quick, signal: stop.signal });
  expect(answer).toBeUndefined();
});
