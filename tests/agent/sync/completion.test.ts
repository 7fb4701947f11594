import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { always, benchOfFile, BUCKET, eventually, instruction } from './support/bench.ts';
import type { Relayed, Verdict } from './support/relay.ts';

const bench = await benchOfFile();

/** The smallest kind of file that is sent in parts. */
const WEIGHTS = randomBytes(9 * 2 ** 20);

const isCompletion = ({ method, query }: Relayed) => method === 'POST' && query.has('uploadId');
const completions = () => bench.relay.seen.filter(isCompletion);
const begun = () => bench.relay.seen.filter(({ query }) => query.has('uploads'));
const conditionsOf = ({ headers }: Relayed) => ({ match: headers['if-match'], noneMatch: headers['if-none-match'] });

/** What a store says that looks at conditions when it is about to make the object; the embedded one never looks. */
async function judged(seen: Relayed): Promise<Verdict> {
  if (process.env.KELPIE_TEST_S3_ENDPOINT !== undefined) return 'regardless';
  const there = await bench.store.head({ bucket: BUCKET, key: seen.key }, always);
  const { match, noneMatch } = conditionsOf(seen);
  const isMet = (match === undefined || match === there?.etag) && (noneMatch === undefined || there === undefined);
  return isMet ? 'regardless' : refused(seen, 412, 'PreconditionFailed');
}

function refused(seen: Relayed, status: number, code: string): Verdict {
  seen.status = status;
  return { status, code };
}

const upload = (prefix: string) => bench.sync({ after: [instruction('UPLOAD', prefix, 'out')] }).uploadAfter(always);

async function expectPublished(key: string): Promise<void> {
  const body = await (await bench.get(key)).Body?.transformToByteArray();
  expect(Buffer.from(body ?? []).equals(WEIGHTS)).toBe(true);
}

describe('a completion', () => {
  it.each([
    ['of an attempt before', 'left behind'],
    ['nothing', undefined],
  ])(
    'that the store is still at when its attempt is over replaces what was there, and not what a successor has published: %s',
    async (_, before) => {
      const key = `late-${before === undefined}/weights`;
      if (before !== undefined) await bench.put(key, before);
      await bench.write('out/weights', WEIGHTS);
      const arrived = Promise.withResolvers<Relayed>();
      const release = Promise.withResolvers<undefined>();
      bench.relay.interfere = async (seen) => {
        // It is at it already, so that nobody can take the parts from it any more.
        if (seen.method === 'DELETE') return 'cut';
        if (!isCompletion(seen)) return undefined;
        arrived.resolve(seen);
        await release.promise;
        return judged(seen);
      };
      const sync = bench.sync({ after: [instruction('UPLOAD', `late-${before === undefined}`, 'out')] });
      const uploading = expect(sync.uploadAfter(always)).rejects.toThrow('stopped');
      const late = await arrived.promise;
      await sync.stop();
      await uploading;
      await bench.put(key, 'of a successor');
      release.resolve(undefined);
      await eventually(() => late.status !== undefined);
      expect(late.status).toBe(412);
      expect(await bench.text(key)).toBe('of a successor');
    },
  );

  it('replaces what has come there meanwhile, as the lease holds', async () => {
    await bench.put('meanwhile/weights', 'old');
    await bench.write('out/weights', WEIGHTS);
    let isFirst = true;
    bench.relay.interfere = async (seen) => {
      if (seen.query.has('partNumber') && isFirst) {
        isFirst = false;
        await bench.put('meanwhile/weights', 'of another job');
      }
      return isCompletion(seen) ? judged(seen) : undefined;
    };
    await upload('meanwhile');
    await expectPublished('meanwhile/weights');
    expect(completions().map(({ status }) => status)).toEqual([412, 200]);
  });

  it('whose answer is lost is known by the object that it has made', async () => {
    await bench.write('out/weights', WEIGHTS);
    let isFirst = true;
    bench.relay.interfere = async (seen) => {
      if (!isCompletion(seen)) return undefined;
      if (!isFirst) return judged(seen);
      isFirst = false;
      return 'nothing';
    };
    await upload('lost');
    await expectPublished('lost/weights');
    expect(begun()).toHaveLength(1);
  });

  it.each([501, 400])(
    'goes without conditions to a store that refuses them with %i, and so do those after it',
    async (status) => {
      await bench.write('out/a', WEIGHTS);
      bench.relay.interfere = async (seen) => {
        if (!isCompletion(seen) || conditionsOf(seen).noneMatch === undefined) return undefined;
        return refused(seen, status, status === 501 ? 'NotImplemented' : 'InvalidArgument');
      };
      const store = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1' });
      const places = { after: [instruction('UPLOAD', `refused-${status}`, 'out')], store };
      await bench.sync(places).uploadAfter(always);
      await expectPublished(`refused-${status}/a`);
      const before = completions().length;
      await bench.write('out/b', WEIGHTS);
      await bench.sync(places).uploadAfter(always);
      expect(completions().slice(before).map(conditionsOf)).not.toContainEqual({ match: undefined, noneMatch: '*' });
      store.close();
    },
  );

  it.each([
    ['whose store goes by another ETag than it shows', 'other', [412, 200]],
    ['of a key that may not look', 'blind', [200]],
  ] as const)('%s goes without a condition', async (_, prefix, statuses) => {
    await bench.put(`${prefix}/weights`, 'old');
    await bench.write('out/weights', WEIGHTS);
    bench.relay.interfere = async (seen) => {
      if (prefix === 'blind') return seen.method === 'HEAD' ? refused(seen, 403, 'AccessDenied') : undefined;
      return isCompletion(seen) && conditionsOf(seen).match !== undefined
        ? refused(seen, 412, 'PreconditionFailed')
        : undefined;
    };
    await upload(prefix);
    await expectPublished(`${prefix}/weights`);
    expect(completions().map(({ status }) => status)).toEqual(statuses);
  });

  it('that meets another write waits for its end, and replaces what that has made', async () => {
    await bench.put('conflict/weights', 'old');
    await bench.write('out/weights', WEIGHTS);
    bench.relay.interfere = async (seen) => {
      if (!isCompletion(seen)) return undefined;
      if (completions().length > 1) return judged(seen);
      await bench.put('conflict/weights', 'of a zombie');
      return refused(seen, 409, 'ConditionalRequestConflict');
    };
    await upload('conflict');
    await expectPublished('conflict/weights');
    expect(completions().map(({ status }) => status)).toEqual([409, 200]);
    expect(begun()).toHaveLength(1);
  });

  it('that meets itself, as its answer was lost, is known by the object that it has made', async () => {
    await bench.write('out/weights', WEIGHTS);
    bench.relay.interfere = async (seen) => {
      if (!isCompletion(seen)) return undefined;
      return completions().length === 1 ? 'nothing' : refused(seen, 409, 'ConditionalRequestConflict');
    };
    await upload('itself');
    await expectPublished('itself/weights');
    expect(completions().map(({ status }) => status)).toEqual([200, 409]);
    expect(begun()).toHaveLength(1);
  });

  it('that meets other writes at each try is of no use, and the file is sent once more', async () => {
    await bench.write('out/weights', WEIGHTS);
    const isOfFirst = ({ query }: Relayed) => query.get('uploadId') === completions()[0]?.query.get('uploadId');
    bench.relay.interfere = async (seen) =>
      isCompletion(seen) && isOfFirst(seen) ? refused(seen, 409, 'ConditionalRequestConflict') : undefined;
    await upload('spent');
    await expectPublished('spent/weights');
    expect(completions().map(({ status }) => status)).toEqual([409, 409, 200]);
    expect(begun()).toHaveLength(2);
  });

  it.each(['PreconditionFailed', 'ConditionalRequestConflict'])(
    'that is answered as a success at first, and then with %s, goes on as where that was said at once',
    async (code) => {
      await bench.write('out/weights', WEIGHTS);
      const document = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>of the relay</Message></Error>`;
      bench.relay.answer = (seen) => (isCompletion(seen) && completions().length === 1 ? document : undefined);
      await upload(code);
      await expectPublished(`${code}/weights`);
      expect(completions()).toHaveLength(2);
      expect(begun()).toHaveLength(1);
    },
  );
});
