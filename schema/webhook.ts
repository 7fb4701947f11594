import { may } from '../core/accounts/keys.ts';
import { ForbiddenError, NotFoundError } from '../core/errors.ts';
import { redeliver } from '../core/webhooks/log.ts';
import { rotateWebhookSecret, webhookSecret } from '../core/webhooks/sign.ts';
import type { WebhookDelivery } from '../db/entities/webhook-delivery.ts';
import type { WebhookTry } from '../db/entities/webhook-try.ts';
import { builder } from './builder.ts';

const WebhookTryRef = builder.objectRef<WebhookTry>('WebhookTry').implement({
  description: 'One try of sending a webhook.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: '1, 2, 3 … within its delivery.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When it began.' }),
    milliseconds: t.exposeInt('milliseconds', { description: 'How long it took.' }),
    statusCode: t.exposeInt('statusCode', { nullable: true, description: 'What the receiver answered, if it did.' }),
    error: t.exposeString('error', { nullable: true, description: 'Why it does not count as delivered.' }),
    response: t.string({
      nullable: true,
      description:
        'The first KiB of what the receiver answered, without the key, the signatures and the secret. Shown to OWNER and SUBMITTER; ' +
        'null to others: a receiver may show whatever it knows. Null, too, where a server of an earlier release has stored it.',
      resolve: ({ response, responseBlanked }, _args, { viewer }) =>
        may(viewer, 'submit') && responseBlanked ? response : null,
    }),
  }),
});

export const WebhookDeliveryRef = builder.objectRef<WebhookDelivery>('WebhookDelivery').implement({
  description: 'One webhook: what is told, and what became of it.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The same over all tries: the `webhook-id` of its requests.' }),
    status: t.exposeString('status', { description: '`running`, `completed` or `failed`.' }),
    url: t.exposeString('url', { description: 'Where it goes.' }),
    attempt: t.exposeInt('attempt', { description: 'The attempt whose change it tells.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When what it tells became true.' }),
    deliveredAt: t.expose('deliveredAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the receiver took it.',
    }),
    abandonedAt: t.expose('abandonedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was given up: after its last try, or because the receiver answered 410.',
    }),
    nextTryAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it is tried (again), unless it was delivered or given up.',
      resolve: ({ deliveredAt, abandonedAt, nextTryAt }) =>
        deliveredAt === null && abandonedAt === null ? nextTryAt : null,
    }),
    tries: t.field({
      type: [WebhookTryRef],
      description: 'Each try so far, oldest first.',
      resolve: (delivery, _args, context) => context.lookups.webhookTries(delivery),
    }),
  }),
});

builder.mutationField('redeliverWebhook', (t) =>
  t.field({
    type: WebhookDeliveryRef,
    errors: { types: [NotFoundError, ForbiddenError] },
    description: 'Sends a webhook now, also one that was delivered or given up.',
    args: { id: t.arg.id({ required: true, description: 'The delivery’s id.' }) },
    resolve: (_root, { id }, { core, viewer }) => redeliver(core, viewer, id),
  }),
);

const WebhookSecretRef = builder.objectRef<{ secret: string }>('WebhookSecret').implement({
  description: 'What receivers of the account’s webhooks verify with.',
  fields: (t) => ({ secret: t.exposeString('secret', { description: '`whsec_…`, as Standard Webhooks has it.' }) }),
});

builder.queryField('webhookSecret', (t) =>
  t.field({
    type: WebhookSecretRef,
    errors: { types: [ForbiddenError] },
    description: 'The secret that the account’s webhooks are signed with. For OWNER only.',
    resolve: async (_root, _args, { core, viewer }) => ({ secret: await webhookSecret(core, viewer) }),
  }),
);

builder.mutationField('rotateWebhookSecret', (t) =>
  t.field({
    type: WebhookSecretRef,
    errors: { types: [ForbiddenError] },
    description: 'A new secret for the account’s webhooks. For a day they are signed with both.',
    resolve: async (_root, _args, { core, viewer }) => ({ secret: await rotateWebhookSecret(core, viewer) }),
  }),
);
