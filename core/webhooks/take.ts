import { randomInt } from 'node:crypto';
import type { EntityData } from '@mikro-orm/core';
import { ApiKey } from '../../db/entities/api-key.ts';
import { WebhookDelivery } from '../../db/entities/webhook-delivery.ts';
import type { EntityManager } from '../../db/orm.ts';
import { plainReader } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { sealedSecrets, type SealedSecrets } from './sign.ts';

/** A delivery that this sender has taken, with what it needs to be sent. */
export interface Due {
  delivery: WebhookDelivery;
  /** The key that submitted the job, unless it is gone. */
  key: ApiKey | undefined;
  secrets: SealedSecrets | undefined;
}

/** Under way at once from one server: from one account to one host, and from one account. */
const PER_LANE = 8;
const PER_ACCOUNT = 32;
/** A try is held for longer than it can take, in seconds; a sender that dies leaves it to the others after that. */
const HOLD_SECONDS = 60;
/** A job's later state waits for the earlier one until that was tried so often: in their order, while the receiver is up. */
export const ORDERED_TRIES = 3;

interface DueParameters {
  batch: number;
  per_lane: number;
  per_account: number;
  in_flight: Record<string, number>;
  start_lane: number;
  ordered_tries: number;
  hold_seconds: number;
}

type DueRow = EntityData<WebhookDelivery> & { id: string; is_taken: boolean };

const waitingStatement = statement<Record<string, never>, { account_id: string }>('waiting-delivery');
const dueStatement = statement<{ [name in keyof DueParameters]: DueParameters[name] }, DueRow>('due-deliveries');

/** Takes at most `batch` of the deliveries that are due, with regard to what this sender has under way. */
export async function takeDue(core: Core, batch: number, underWay: Iterable<WebhookDelivery>): Promise<Due[]> {
  const [waiting] = await waitingStatement(plainReader(core), {});
  if (waiting === undefined) return [];
  const em = core.em.fork();
  const deliveries = await take(em, batch, inFlight(underWay));
  if (deliveries.length === 0) return [];
  const [keys, secrets] = await Promise.all([
    em.find(ApiKey, { id: { $in: deliveries.map(({ apiKeyId }) => apiKeyId) } }),
    sealedSecrets(
      core,
      deliveries.map(({ accountId }) => accountId),
    ),
  ]);
  const keyOf = new Map(keys.map((key) => [key.id, key]));
  return deliveries.map((delivery) => ({
    delivery,
    key: keyOf.get(delivery.apiKeyId),
    secrets: secrets.get(delivery.accountId),
  }));
}

async function take(em: EntityManager, batch: number, underWay: Record<string, number>): Promise<WebhookDelivery[]> {
  for (;;) {
    const rows = await dueStatement(em, {
      ...{ batch, per_lane: PER_LANE, per_account: PER_ACCOUNT, in_flight: underWay },
      start_lane: randomInt(-(2 ** 31), 2 ** 31),
      ...{ ordered_tries: ORDERED_TRIES, hold_seconds: HOLD_SECONDS },
    });
    const taken = rows.filter((row) => row.is_taken).map((row) => em.map(WebhookDelivery, row));
    // Where all that was looked at had to be put off, what is behind it has not been seen yet.
    if (taken.length > 0 || rows.length === 0) return taken;
  }
}

/** How many are under way by account, and by account and lane, as the statement asks for them. */
function inFlight(underWay: Iterable<WebhookDelivery>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { accountId, lane } of underWay) {
    for (const name of [accountId, `${accountId}/${lane}`]) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
