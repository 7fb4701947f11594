import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { WebhookSecret } from '../../db/entities/webhook-secret.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';

/** How long after a rotation webhooks are signed with both secrets: time to tell every receiver the new one. */
const OVERLAP_SECONDS = 24 * 3_600;

/** As Standard Webhooks has it. */
const PREFIX = 'whsec_';

const rotateStatement = statement<{ account_id: string; sealed: string; overlap_seconds: number }, never>(
  'rotate-webhook-secret',
);

const ensureStatement = statement<{ account_id: string; sealed: string }, never>('ensure-webhook-secret');

/** The secret that receivers verify with; made when it is first asked for. `whsec_…`, as Standard Webhooks has them. */
export async function webhookSecret(core: Core, viewer: Viewer): Promise<string> {
  demand(viewer, 'manage');
  const secrets = (await sealedSecrets(core, [viewer.accountId])).get(viewer.accountId);
  if (secrets === undefined) throw new Error('An account has no secret for its webhooks although one was just made');
  return core.secrets.open(secrets.present);
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

/** What an account's webhooks are signed with now. */
export interface SealedSecrets {
  present: string;
  /** For a while after a rotation. */
  previous: string | undefined;
}

/** The secrets of accounts; an account that has none yet gets one. */
export async function sealedSecrets(core: Core, accountIds: readonly string[]): Promise<Map<string, SealedSecrets>> {
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

/**
 * The secrets to sign with, the newest first. A previous one that can't be opened any more is left out: a rotation is how an account
 * gets over a master key that was lost.
 * @throws when the present one is missing, or was sealed under another master key
 */
export function openSecrets(core: Core, secrets: SealedSecrets | undefined): string[] {
  if (secrets === undefined) throw new Error('An account has no secret for its webhooks');
  const present = core.secrets.open(secrets.present);
  if (secrets.previous === undefined) return [present];
  try {
    return [present, core.secrets.open(secrets.previous)];
  } catch {
    return [present];
  }
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

/** The signatures of these headers, without the version before each. */
export function signaturesIn(headers: ReturnType<typeof signatureHeaders>): string[] {
  return (headers['webhook-signature'] ?? '')
    .split(' ')
    .map((signature) => signature.slice(signature.indexOf(',') + 1));
}

/** A secret without the prefix that says what it is. */
export function bare(secret: string): string {
  return secret.slice(PREFIX.length);
}

async function find(core: Core, accountIds: readonly string[]): Promise<Map<string, SealedSecrets>> {
  const rows = await core.em.fork().find(WebhookSecret, { accountId: { $in: [...accountIds] } });
  const now = Date.now();
  return new Map(
    rows.map(({ accountId, sealed, previous, previousUntil }) => {
      const isOverlap = previousUntil !== null && previousUntil.getTime() > now;
      return [accountId, { present: sealed, previous: isOverlap ? (previous ?? undefined) : undefined }];
    }),
  );
}

function newSecret(): string {
  return `${PREFIX}${randomBytes(32).toString('base64')}`;
}
