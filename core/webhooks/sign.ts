import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { WebhookSecret } from '../../db/entities/webhook-secret.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';

/** How long after a rotation webhooks are signed with both secrets: time to tell every receiver the new one. */
export const OVERLAP_SECONDS = 24 * 3_600;

const rotateStatement = statement<{ account_id: string; sealed: string; overlap_seconds: number }, never>(
  'rotate-webhook-secret',
);

const ensureStatement = statement<{ account_id: string; sealed: string }, never>('ensure-webhook-secret');

/** The secret that receivers verify with; made when it is first asked for. `whsec_…`, as Standard Webhooks has them. */
export async function webhookSecret(core: Core, viewer: Viewer): Promise<string> {
  demand(viewer, 'manage');
  const sealed = (await sealedSecrets(core, [viewer.accountId])).get(viewer.accountId)?.[0];
  if (sealed === undefined) throw new Error('An account has no secret for its webhooks although one was just made');
  return core.secrets.open(sealed);
}

/** Makes a new one. For a day, webhooks carry signatures by both. */
export async function rotateWebhookSecret(core: Core, viewer: Viewer): Promise<string> {
  demand(viewer, 'manage');
  const secret = newSecret();
  const parameters = {
    account_id: viewer.accountId,
    sealed: core.secrets.seal(secret),
    overlap_seconds: OVERLAP_SECONDS,
  };
  await rotateStatement(core.em.fork(), parameters);
  return secret;
}

/** What the webhooks of accounts are signed with now, sealed, the newest first; an account that has none yet gets one. */
export async function sealedSecrets(core: Core, accountIds: readonly string[]): Promise<Map<string, string[]>> {
  const wanted = [...new Set(accountIds)];
  const found = await find(core, wanted);
  const without = wanted.filter((id) => !found.has(id));
  if (without.length === 0) return found;
  for (const accountId of without) {
    // Another server may be first: then its secret is the one.
    await ensureStatement(core.em.fork(), { account_id: accountId, sealed: core.secrets.seal(newSecret()) });
  }
  return find(core, wanted);
}

/** The headers that Standard Webhooks asks for. `id` is the same over all tries, the time is of this one. */
export function signatureHeaders(
  secrets: readonly string[],
  { id, at, body }: { id: string; at: Date; body: string },
): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' '),
  };
}

async function find(core: Core, accountIds: readonly string[]): Promise<Map<string, string[]>> {
  const rows = await core.em.fork().find(WebhookSecret, { accountId: { $in: [...accountIds] } });
  const now = Date.now();
  return new Map(
    rows.map(({ accountId, sealed, previous, previousUntil }) => {
      const isOverlap = previous !== null && previousUntil !== null && previousUntil.getTime() > now;
      return [accountId, [sealed, ...(isOverlap ? [previous] : [])]];
    }),
  );
}

function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}
