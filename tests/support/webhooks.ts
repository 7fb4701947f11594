import type { Sender } from '../../core/webhooks/deliver.ts';
import type { TestDatabase } from './database.ts';

/** Sends what is due now, and waits for what becomes of it. */
export async function deliverDue(sender: Sender): Promise<{ delivered: number; failed: number }> {
  const all = { delivered: 0, failed: 0 };
  while ((await sender.runOnce()).started > 0) {
    const { delivered, failed } = await sender.settled();
    all.delivered += delivered;
    all.failed += failed;
  }
  return all;
}

/** Makes the time pass that lies between two tries, or that a sender which died holds what it has taken. */
export async function passTime(database: TestDatabase): Promise<void> {
  await database.query(`update webhook_deliveries set next_try_at = now() - interval '1 second'`);
}
