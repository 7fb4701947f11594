import { describe, expect, it } from 'vitest';
import { createInTurn } from '../../lib/in-turn.ts';
import { until } from '../support/until.ts';

/** Work that is over when the test says so; the name of each is its first letter. */
function turns(most = 16) {
  const begun = new Map<string, PromiseWithResolvers<string>>();
  const inTurn = createInTurn({ most, crowded: () => new Error('too many') });
  const ask = (question: string) =>
    inTurn(question.slice(0, 1), () => {
      const answer = Promise.withResolvers<string>();
      begun.set(question, answer);
      return answer.promise;
    });
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
    const inTurn = createInTurn({ most: 16, crowded: () => new Error('too many') });
    const ask = (question: string) =>
      inTurn('a', () => {
        if (question === 'bad') throw new Error('not a question');
        return Promise.resolve(question);
      });
    await expect(async () => ask('bad')).rejects.toThrow('not a question');
    const answers = await Promise.allSettled(['good', 'bad', 'also good'].map((question) => ask(question)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('no more wait than there may be of one name, and there is room again for each that is over', async () => {
    const { ask, begun, asked } = turns(2);
    const all = [ask('a1'), ask('a2'), ask('b1')];
    await expect(ask('a3')).rejects.toThrow('too many');
    begun.get('a1')?.resolve('A1');
    await until('the turn of a2', () => begun.has('a2'));
    all.push(ask('a4'));
    await expect(ask('a5')).rejects.toThrow('too many');
    for (const question of ['a2', 'b1', 'a4']) {
      await until(`the turn of ${question}`, () => begun.has(question));
      begun.get(question)?.resolve(question.toUpperCase());
    }
    expect(await Promise.all(all)).toEqual(['A1', 'A2', 'B1', 'A4']);
    expect(asked()).toEqual(['a1', 'b1', 'a2', 'a4']);
  });
});
