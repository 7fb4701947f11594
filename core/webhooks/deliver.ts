import type { EntityData } from '@mikro-orm/core';
import { ApiKey } from '../../db/entities/api-key.ts';
import { WebhookDelivery } from '../../db/entities/webhook-delivery.ts';
import { statement } from '../../db/statement.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Core } from '../core.ts';

/** Seconds until the next try after the first, second, … failure, as Standard Webhooks recommends. Then it is abandoned. */
const RETRY_AFTER_SECONDS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
const TIME_LIMIT_MS = 15_000;
/** A try is held for longer than it can take; a sender that dies leaves it to the others after that. */
const HOLD_SECONDS = 60;
const BATCH = 20;

const dueStatement = statement<{ batch: number; hold_seconds: number }, EntityData<WebhookDelivery>>('due-deliveries');

const recordStatement = statement<{ id: string; error: string | null; wait_seconds: number | null }, never>(
  'record-delivery',
);

/** Sends the webhooks that are due, each at least once. Any number of servers may do this at once. */
export async function deliverDue(core: Core): Promise<{ delivered: number; failed: number }> {
  const em = core.em.fork();
  const due = (await dueStatement(em, { batch: BATCH, hold_seconds: HOLD_SECONDS })).map((row) =>
    em.map(WebhookDelivery, row),
  );
  const keys = await em.find(ApiKey, { id: { $in: due.map((delivery) => delivery.apiKeyId) } });
  const keyOf = new Map(keys.map((key) => [key.id, key]));
  let delivered = 0;
  const sendInOrder = async (deliveries: WebhookDelivery[]): Promise<void> => {
    for (const delivery of deliveries) {
      const error = await send(core, delivery, keyOf.get(delivery.apiKeyId));
      await record(core, delivery, error);
      if (error === undefined) delivered += 1;
    }
  };
  // Of one job one after another, as they were written; different jobs at once.
  const byJob = Map.groupBy(due, (delivery) => delivery.jobId);
  await Promise.all([...byJob.values()].map(sendInOrder));
  return { delivered, failed: due.length - delivered };
}

/** One try. @returns what went wrong, or undefined */
async function send(core: Core, delivery: WebhookDelivery, key: ApiKey | undefined): Promise<string | undefined> {
  if (key === undefined) return 'The API key that submitted the job is gone';
  try {
    const response = await fetch(delivery.url, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
      headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': core.secrets.open(key.encrypted) },
      body: JSON.stringify({
        status: delivery.status,
        job_id: delivery.jobId,
        machine_id: delivery.machineId,
        container_group_id: delivery.containerGroupId,
      }),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `Expected an answer of 200 to 299, got ${response.status}`;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause)})` : '';
    return `${messageOf(error)}${cause}`;
  }
}

/** By the database's clock, which judges what is due (rule 13). */
async function record(core: Core, delivery: WebhookDelivery, error: string | undefined): Promise<void> {
  await recordStatement(core.em.fork(), {
    id: delivery.id,
    error: error ?? null,
    wait_seconds: RETRY_AFTER_SECONDS[delivery.tries - 1] ?? null,
  });
}
