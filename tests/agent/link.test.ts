import { pino } from 'pino';
import { expect, test } from 'vitest';
import { submit } from '../support/jobs.ts';
import { linked } from './support/linked.ts';

test('a claim that is never answered on a connection that stays is asked for again, and is the same one', async () => {
  const { link, gateway, app, viewer } = await linked({ claimedWithinMs: 2_000, log: pino({ level: 'silent' }) });
  const { id } = await submit(app.core, viewer);
  const asked: string[] = [];
  gateway.answerInstead = (message) => {
    const claimId = /"claimId":"([^"]+)"/.exec(message)?.[1];
    if (claimId !== undefined) asked.push(claimId);
    // Which says nothing, and keeps the message from the server.
    return asked.length === 1 && claimId !== undefined ? '{"type":"pong"}' : undefined;
  };
  const { signal } = new AbortController();
  await expect(link.claim(signal)).rejects.toThrow('timeout');
  expect(await link.claim(signal)).toMatchObject({ kind: 'CLAIM', claim: { job: { id } } });
  expect(asked).toEqual([asked[0], asked[0]]);
});
