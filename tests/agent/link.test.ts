import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openCarrier } from '../../agent/carrier.ts';
import { keyCredentials } from '../../agent/credentials.ts';
import { createLink } from '../../agent/link.ts';
import { createPresence } from '../../agent/presence.ts';
import { startTestApp } from '../support/app.ts';
import { openGateway } from '../support/gateway.ts';
import { submit } from '../support/jobs.ts';

test('a claim that is never answered on a connection that stays is asked for again, and is the same one', async () => {
  const app = await startTestApp();
  const gateway = await openGateway(app.url);
  const { secret, viewer } = await app.account();
  const presence = createPresence(5_000);
  const log = pino({ level: 'silent' });
  const url = `${gateway.url.replace('http', 'ws')}/graphql`;
  const link = createLink({
    open: (onConnected) =>
      openCarrier({ url, credentials: keyCredentials(secret), graceMillis: 5_000, presence, onConnected, log }),
    registration: { machineId: 'machine', containerGroupId: 'group', sessionId: randomUUID(), version: '1' },
    ...{ hardware: Promise.resolve({}), presence, log, claimedWithinMs: 2_000 },
    listener: { onReady: () => undefined, onSignal: () => undefined },
  });
  onTestFinished(async () => {
    await link.close();
    await gateway.close();
    await app.close();
  });
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
