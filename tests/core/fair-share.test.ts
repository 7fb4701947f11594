import { describe, expect, test } from 'vitest';
import { RateLimitedError } from '../../core/errors.ts';
import { expectedFailure } from '../../core/expected.ts';
import { asAsker, asWork, createTurns, isAsking, shareOfAskers, type Asker } from '../../core/fair-share.ts';

const asker = (accountId: string, more: Partial<Asker> = {}): Asker => ({ accountId, keyId: 'key', ...more });

describe('the turns of those who ask', () => {
  test.each([
    [2, 1],
    [3, 2],
    [4, 3],
    [10, 6],
    [20, 12],
  ])('are on a pool of %i connections %i at a time', (connections, share) => {
    expect(shareOfAskers(connections)).toBe(share);
  });

  test('are not those of work, nor of what nobody asks for', async () => {
    const turns = createTurns(2);
    expect(await turns.take()).toBeUndefined();
    expect(isAsking()).toBe(false);
    await asAsker(asker('a'), async () => {
      expect(isAsking()).toBe(true);
      const turn = await turns.take();
      expect(await asWork(() => turns.take())).toBeUndefined();
      expect(asWork(isAsking)).toBe(false);
      turn?.giveBack();
    });
  });

  test('are waited for with patience, and then refused with when to ask again', async () => {
    const turns = createTurns(2, { patienceMs: 1 });
    const turn = await asAsker(asker('a'), () => turns.take());
    const refused = await asAsker(asker('b'), () => turns.take()).catch(expectedFailure);
    expect(refused).toBeInstanceOf(RateLimitedError);
    expect(refused).toMatchObject({ retryAfterSeconds: 1 });
    turn?.giveBack();
    (await asAsker(asker('b'), () => turns.take()))?.giveBack();
  });

  test('are waited for however long by what has begun to change something, and not before', async () => {
    const turns = createTurns(2, { patienceMs: 1 });
    const turn = await asAsker(asker('a'), () => turns.take());
    const changing = asker('b', { isPatient: 'ONCE_BEGUN' });
    await expect(asAsker(changing, () => turns.take())).rejects.toThrow('0.001 s');
    turn?.giveBack();
    await asAsker(changing, async () => {
      (await turns.take())?.giveBack();
      const other = await asAsker(asker('a'), () => turns.take());
      const goingOn = turns.take();
      await expect(asAsker(asker('b'), () => turns.take())).rejects.toThrow('0.001 s');
      other?.giveBack();
      (await goingOn)?.giveBack();
    });
  });

  test('are waited for by any number of steps of what is followed, which keep nothing else of their key waiting', async () => {
    const turns = createTurns(2);
    const turn = await asAsker(asker('a'), () => turns.take());
    const step = () => asAsker(asker('b', { isPatient: 'ALWAYS' }), () => turns.take());
    let told = 0;
    const steps = Array.from({ length: 2_500 }, async () => {
      (await step())?.giveBack();
      told += 1;
    });
    const question = asAsker(asker('b'), () => turns.take());
    turn?.giveBack();
    const answered = await question;
    expect(told).toBeLessThan(steps.length);
    answered?.giveBack();
    await Promise.all(steps);
  });

  test('are free for others when who waited for one has hung up', async () => {
    const turns = createTurns(2);
    const turn = await asAsker(asker('a'), () => turns.take());
    const leaving = new AbortController();
    const gone = asAsker(asker('b', { gone: () => leaving.signal }), () => turns.take());
    const next = asAsker(asker('b'), () => turns.take());
    // A reason that is no error, as signals of requests have.
    leaving.abort('gone');
    await expect(gone).rejects.toMatchObject({ cause: { name: 'AbortError' } });
    turn?.giveBack();
    (await next)?.giveBack();
  });

  test('are three of one operation, so that its others wait outside the queue of its key', async () => {
    const turns = createTurns(20);
    const taken: string[] = [];
    const take = async (name: string) => {
      const turn = await turns.take();
      taken.push(name);
      return turn;
    };
    const first = asAsker(asker('a'), () => ['one', 'two', 'three', 'four'].map(take));
    const other = asAsker(asker('a'), () => take('other'));
    const [one] = await Promise.all([...first.slice(0, 3), other]);
    expect(taken.toSorted()).toEqual(['one', 'other', 'three', 'two']);
    one?.giveBack();
    await first[3];
    expect(taken.at(-1)).toBe('four');
  });

  test('count what an operation reads in all of them', async () => {
    const turns = createTurns(10);
    const tooMuch = () => new RateLimitedError('too much', 1);
    await asAsker(asker('a', { reads: { most: 10, tooMuch } }), async () => {
      const [one, other] = [await turns.take(), await turns.take()];
      one?.count?.(6);
      other?.count?.(4);
      expect(() => one?.count?.(1)).toThrow('too much');
    });
    expect((await asAsker(asker('a'), () => turns.take()))?.count).toBeUndefined();
  });
});
