import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { onTestFinished } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { openCarrier } from '../../../agent/carrier.ts';
import { keyCredentials } from '../../../agent/credentials.ts';
import { createLink, type Link } from '../../../agent/link.ts';
import { createPresence } from '../../../agent/presence.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { type Gateway, openGateway } from '../../support/gateway.ts';

/** An agent's link to a server, until the test is over, and what stands between them. */
export async function linked(options: {
  claimedWithinMs: number;
  log: Logger;
}): Promise<{ link: Link; gateway: Gateway; app: TestApp; viewer: Viewer }> {
  const { log, claimedWithinMs } = options;
  const app = await startTestApp();
  const gateway = await openGateway(app.url);
  const { secret, viewer } = await app.account();
  const presence = createPresence(5_000);
  const url = `${gateway.url.replace('http', 'ws')}/graphql`;
  const link = createLink({
    open: (onConnected) =>
      openCarrier({ url, credentials: keyCredentials(secret), graceMillis: 5_000, presence, onConnected, log }),
    registration: { machineId: 'machine', containerGroupId: 'group', sessionId: randomUUID(), version: '1' },
    ...{ hardware: Promise.resolve({}), presence, log, claimedWithinMs },
    listener: { onReady: () => undefined, onSignal: () => undefined },
  });
  onTestFinished(async () => {
    await link.close();
    await gateway.close();
    await app.close();
  });
  return { link, gateway, app, viewer };
}
