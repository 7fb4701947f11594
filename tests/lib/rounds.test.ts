import { describe, expect, it } from 'vitest';
import { inRounds, type RoundOptions } from '../../lib/rounds.ts';
import { until } from '../support/until.ts';

/** Rounds that are over when the test says so. */
function rounds(options: RoundOptions<string> = { patienceMs: 60_000 }) {
  const begun: { questions: string[]; answer: PromiseWithResolvers<string[]> }[] = [];
  const ask = inRounds((questions: string[]) => {
    const answer = Promise.withResolvers<string[]>();
    begun.push({ questions, answer });
    return answer.promise;
  }, options);
  return { begun, ask, asked: () => begun.map(({ questions }) => questions) };
}

describe('rounds', () => {
  it('begin at once for who comes alone, and answer all who came meanwhile together, each with its own', async () => {
    const { begun, ask, asked } = rounds();
    const first = ask('a');
    const others = ['b', 'c', 'b'].map((question) => ask(question));
    expect(asked()).toEqual([['a']]);
    begun[0]?.answer.resolve(['A']);
    expect(await first).toBe('A');
    await until('the next round', () => begun.length === 2);
    begun[1]?.answer.resolve(['B', 'C', 'B again']);
    expect(await Promise.all(others)).toEqual(['B', 'C', 'B again']);
    expect(asked()).toEqual([['a'], ['b', 'c', 'b']]);
  });

  it('are of so many at most, in the order in which they came', async () => {
    const { begun, ask, asked } = rounds({ most: () => 2, patienceMs: 60_000 });
    const all = ['a', 'b', 'c', 'd'].map((question) => ask(question));
    for (let round = 0; round < 3; round++) {
      await until(`round ${round}`, () => begun.length > round);
      begun[round]?.answer.resolve(begun[round]?.questions ?? []);
    }
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd']);
    expect(asked()).toEqual([['a'], ['b', 'c'], ['d']]);
  });

  it('weigh so much at most, but one that is heavier goes alone', async () => {
    const weightOf = (question: string) => question.length;
    const { begun, ask } = rounds({ weightOf, mostWeight: 4, patienceMs: 60_000 });
    const all = ['a', 'bb', 'cc', 'd', 'eeeeeee', 'f'].map((question) => ask(question));
    const expected = [['a'], ['bb', 'cc'], ['d'], ['eeeeeee'], ['f']];
    for (let round = 0; round < expected.length; round++) {
      await until(`round ${round}`, () => begun.length > round);
      expect(begun[round]?.questions).toEqual(expected[round]);
      begun[round]?.answer.resolve(begun[round]?.questions ?? []);
    }
    await Promise.all(all);
  });

  it('have something of each group while there is room: a long queue of one holds up no other', async () => {
    const groupOf = (question: string) => question.slice(0, 1);
    const { begun, ask, asked } = rounds({ most: () => 3, groupOf, patienceMs: 60_000 });
    const all = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'c1'].map((question) => ask(question));
    const expected = [['a1'], ['a2', 'b1', 'c1'], ['a3', 'b2', 'a4'], ['a5']];
    for (let round = 0; round < expected.length; round++) {
      await until(`round ${round}`, () => begun.length > round);
      begun[round]?.answer.resolve(begun[round]?.questions.map((question) => question.toUpperCase()) ?? []);
    }
    expect(asked()).toEqual(expected);
    expect(await Promise.all(all)).toEqual(['A1', 'A2', 'A3', 'A4', 'A5', 'B1', 'B2', 'C1']);
  });

  it('go beside each other where what waits is too heavy for one, as many as may, and heavy ones do not hold up others', async () => {
    const options = { weightOf: (question: string) => question.length, mostWeight: 4, atOnce: 3, patienceMs: 60_000 };
    const groupOf = (question: string) => question.slice(0, 1);
    const { begun, ask, asked } = rounds({ ...options, groupOf });
    const heavy = [1, 2, 3, 4, 5, 6, 7].map((n) => `aaa${n}`);
    const all = ['first', ...heavy].map((question) => ask(question));
    begun[0]?.answer.resolve(['first']);
    await until('as many rounds as may be', () => begun.length === 4);
    all.push(ask('b'));
    expect(asked()).toEqual([['first'], ['aaa1'], ['aaa2'], ['aaa3']]);
    // Whichever is over makes room for the next one. The first two had their turns before the other group came.
    const expected = ['aaa4', 'aaa5', 'b', 'aaa6', 'aaa7'];
    for (const [index, next] of expected.entries()) {
      begun[3 + index]?.answer.resolve(begun[3 + index]?.questions ?? []);
      await until(`the round of ${next}`, () => begun.length === 5 + index);
      expect(asked().at(-1)).toEqual([next]);
    }
    for (const { questions, answer } of begun) answer.resolve(questions);
    expect(await Promise.all(all)).toEqual(['first', ...heavy, 'b']);
  });

  it('that hang hold up others for a while only, and end nothing when they are over late', async () => {
    const { begun, ask, asked } = rounds({ patienceMs: 5 });
    const hung = ask('hung');
    const next = ask('next');
    await until('a round beside the one that hangs', () => begun.length === 2);
    const last = ask('last');
    begun[0]?.answer.resolve(['late']);
    expect(await hung).toBe('late');
    begun[1]?.answer.resolve(['answered']);
    expect(await next).toBe('answered');
    await until('the last round', () => begun.length === 3);
    begun[2]?.answer.resolve(['and over']);
    expect(await last).toBe('and over');
    expect(asked()).toEqual([['hung'], ['next'], ['last']]);
  });

  it('tell what they throw, and answers that are too few, to all of theirs and to nobody else', async () => {
    const { begun, ask } = rounds();
    const first = ask('a');
    const second = [ask('b'), ask('c')];
    begun[0]?.answer.reject(new Error('the database is away'));
    await expect(first).rejects.toThrow('the database is away');
    await until('the second round', () => begun.length === 2);
    begun[1]?.answer.resolve(['B']);
    for (const one of second) await expect(one).rejects.toThrow('Expected 2 answers of a round, got 1');
    const third = ask('d');
    begun[2]?.answer.resolve(['D']);
    expect(await third).toBe('D');
  });
});
