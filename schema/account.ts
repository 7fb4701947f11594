import type { Viewer } from '../core/accounts/keys.ts';
import { webhookKey } from '../core/accounts/organizations.ts';
import { builder } from './builder.ts';

export const ApiKeyRoleRef = builder.enumType('ApiKeyRole', {
  description: 'What a key may be used for.',
  values: {
    OWNER: { description: 'Everything in its account.' },
    SUBMITTER: { description: 'Submits and reads.' },
    AGENT: { description: 'Claims, heartbeats and reports, and nothing else.' },
    VIEWER: { description: 'Reads.' },
  } as const,
});

const ViewerRef = builder.objectRef<Viewer>('Viewer').implement({
  description: 'Who asks.',
  fields: (t) => ({
    accountId: t.exposeID('accountId', { description: 'The account of the presented key.' }),
    role: t.expose('role', { type: ApiKeyRoleRef, description: 'The role of the presented key.' }),
    isAdmin: t.exposeBoolean('isAdmin', { description: 'Whether the key sees every account’s jobs.' }),
    webhookKey: t.string({
      nullable: true,
      description:
        'The key that webhooks carry in X-Kelpie-Key when the job was submitted with Salad’s credentials, to know them by; it may read. Null for other accounts, whose webhooks carry the key that submitted.',
      resolve: (viewer, _args, { core }) => webhookKey(core, viewer),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({ type: ViewerRef, description: 'Who asks.', resolve: (_root, _args, { viewer }) => viewer }),
);
