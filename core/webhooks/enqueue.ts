import type { Job } from '../../db/entities/job.ts';
import { WebhookDelivery } from '../../db/entities/webhook-delivery.ts';
import type { EntityManager } from '../../db/orm.ts';

/** What a webhook tells. A cancel is not told: whoever cancelled knows. */
export type WebhookStatus = 'running' | 'completed' | 'failed';

/** Writes the delivery in the transaction of the change itself (rule 11); the sender finds it there. */
export function enqueueWebhook(em: EntityManager, job: Job, status: WebhookStatus): void {
  if (job.webhook === null) return;
  em.create(WebhookDelivery, {
    accountId: job.accountId,
    apiKeyId: job.apiKeyId,
    jobId: job.id,
    attempt: job.attemptNumber,
    url: job.webhook,
    status,
    machineId: job.machineId,
    containerGroupId: job.containerGroupId,
  });
}
