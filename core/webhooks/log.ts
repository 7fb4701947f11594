import { LockMode } from '@mikro-orm/core';
import { z } from 'zod';
import type { Job } from '../../db/entities/job.ts';
import { WebhookDelivery } from '../../db/entities/webhook-delivery.ts';
import { WebhookTry } from '../../db/entities/webhook-try.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { NotFoundError } from '../errors.ts';

/** A slice of one job's deliveries: positions, exclusive. */
export interface DeliverySlice {
  limit: number;
  descending: boolean;
  after?: string | undefined;
  before?: string | undefined;
}

/** What was to be told of one job, in the order in which it became true. */
export async function listDeliveries(core: Core, job: Job, slice: DeliverySlice): Promise<WebhookDelivery[]> {
  return core.em.fork().find(
    WebhookDelivery,
    {
      jobId: job.id,
      position: {
        ...(slice.after !== undefined && { $gt: slice.after }),
        ...(slice.before !== undefined && { $lt: slice.before }),
      },
    },
    { orderBy: { position: slice.descending ? 'desc' : 'asc' }, limit: slice.limit },
  );
}

/** The tries of some deliveries, each delivery's in order. */
export async function triesOf(core: Core, deliveryIds: readonly string[]): Promise<Map<string, WebhookTry[]>> {
  const tries = await core.em
    .fork()
    .find(WebhookTry, { deliveryId: { $in: [...deliveryIds] } }, { orderBy: { deliveryId: 'asc', number: 'asc' } });
  return Map.groupBy(tries, (one) => one.deliveryId);
}

/**
 * Sends a webhook (again) now: one that was delivered, given up, or waits for its next try.
 * @throws NotFoundError when the account has no such delivery
 */
export async function redeliver(core: Core, viewer: Viewer, id: string): Promise<WebhookDelivery> {
  demand(viewer, 'submit');
  return transact(core, async (em) => {
    // Held: a try under way may end at this moment, and what is old may be removed.
    const owned = viewer.isAdmin ? {} : { accountId: viewer.accountId };
    const delivery = z.uuid().safeParse(id).success
      ? await em.findOne(WebhookDelivery, { id, ...owned }, { lockMode: LockMode.PESSIMISTIC_WRITE })
      : null;
    if (delivery === null) throw new NotFoundError(`There is no webhook delivery ${id} in this account: check the id`);
    Object.assign(delivery, { deliveredAt: null, abandonedAt: null, nextTryAt: new Date() });
    return delivery;
  });
}
