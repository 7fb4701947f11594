import { describe, expect, test } from 'vitest';
import { isDatabaseAway } from '../../db/away.ts';

const withCode = (code: string, message = 'x') => Object.assign(new Error(message), { code });
const REFUSED = Object.assign(withCode('08P01'), { severity: 'ERROR', routine: 'pg_verify_mbstr' });
const loop = new Error('a');
loop.cause = loop;

describe('a database that cannot be reached', () => {
  test.each([
    ['refused', withCode('ECONNREFUSED')],
    ['refused on every address', new AggregateError([new Error('x'), withCode('ECONNREFUSED')])],
    ['shutting down', withCode('57P01')],
    ['starting up', withCode('57P03')],
    ['a connection failure', withCode('08006')],
    ['too many connections', withCode('53300')],
    ['behind a pooler that ends the connection', Object.assign(withCode('08P01'), { severity: 'FATAL' })],
    ['behind an older pooler, which knows of no routine', Object.assign(withCode('08P01'), { severity: 'ERROR' })],
    ['cut in the middle', new Error('Connection terminated unexpectedly')],
    ['wrapped', new Error('select 1', { cause: new Error('y', { cause: withCode('ECONNRESET') }) })],
  ])('is told from others: %s', (_what, error) => expect(isDatabaseAway(error)).toBe(true));

  test.each([
    ['a unique violation', withCode('23505')],
    ['a missing table', withCode('42P01')],
    ['a message that PostgreSQL refuses', REFUSED],
    ['a missing file', withCode('ENOENT')],
    ['a text about it', new Error('the job said: Connection terminated')],
    ['its own cause', loop],
    ['no error', 'ECONNREFUSED'],
    ['nothing', undefined],
  ])('%s is not one', (_what, error) => expect(isDatabaseAway(error)).toBe(false));
});
