import { describe, expect, it } from 'vitest';
import { inTurn } from '../../lib/in-turn.ts';
import { until } from '../support/until.ts';

/** Questions that are answered when the test says so; the name of each is its first letter. */
function turns() {
  const begun = new Map<string, PromiseWithResolvers<string>>();
  const ask = inTurn(
    (question: string) => question.slice(0, 1),
    (question) => {
      const answer = Promise.withResolvers<string>();
      begun.set(question, answer);
      return answer.promise;
    },
  );
  return { ask, begun, asked: () => [...begun.keys()] };
}

describe('in turn', () => {
  it('those of one name come one after another, in the order in which they were asked, and hold up no other name', async () => {
    const { ask, begun, asked } = turns();
    const all = ['a1', 'a2', 'b1', 'a3'].map((question) => ask(question));
    expect(asked()).toEqual(['a1', 'b1']);
    for (const question of ['a1', 'a2', 'a3', 'b1']) {
      await until(`the turn of ${question}`, () => begun.has(question));
      begun.get(question)?.resolve(question.toUpperCase());
    }
    expect(await Promise.all(all)).toEqual(['A1', 'A2', 'B1', 'A3']);
    expect(asked()).toEqual(['a1', 'b1', 'a2', 'a3']);
  });

  it('one that fails is told so alone, and who comes when nothing is under way begins at once', async () => {
    const { ask, begun, asked } = turns();
    const failing = ask('a1');
    const next = ask('a2');
    begun.get('a1')?.reject(new Error('out of range'));
    await expect(failing).rejects.toThrow('out of range');
    await until('the next', () => begun.has('a2'));
    begun.get('a2')?.resolve('A2');
    expect(await next).toBe('A2');
    void ask('a3');
    expect(asked()).toEqual(['a1', 'a2', 'a3']);
  });

  it('one that throws at once fails like any other', async () => {
    const ask = inTurn(
      () => 'a',
      (question: string) => {
        if (question === 'bad') throw new Error('not a question');
        return Promise.resolve(question);
      },
    );
    await expect(async () => ask('bad')).rejects.toThrow('not a question');
    expect(await Promise.all([ask('good'), ask('also good')])).toEqual(['good', 'also good']);
  });
});
