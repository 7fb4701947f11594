import { listAuditEvents } from '../core/accounts/audit-log.ts';
import type { AuditEvent } from '../db/entities/audit-event.ts';
import { builder } from './builder.ts';
import { connection, numbers } from './paging.ts';

const AuditActionRef = builder.enumType('AuditAction', {
  description: 'What was done.',
  values: {
    ACCOUNT_CREATED: { description: 'An account was made.' },
    ACCOUNTS_CLEARED: { description: 'All accounts but the admin’s were removed.' },
    KEY_CREATED: { description: 'A key was made.' },
    KEY_REVOKED: { description: 'A key was revoked.' },
    KEY_RESTORED: { description: 'A key that was revoked is in force again: the operator has configured it anew.' },
    RULE_CREATED: { description: 'A scaling rule was made.' },
    RULE_UPDATED: { description: 'A scaling rule was changed.' },
    RULE_DELETED: { description: 'A scaling rule was removed.' },
    RULES_CLEARED: { description: 'All scaling rules were removed.' },
    JOBS_PURGED: { description: 'The jobs of a container group were removed.' },
    JOBS_CLEARED: { description: 'All jobs were removed.' },
  } as const,
});

const AuditEventRef = builder.objectRef<AuditEvent>('AuditEvent').implement({
  description: 'Who has done what with keys, rules and accounts.',
  fields: (t) => ({
    accountId: t.exposeID('accountId', { description: 'The account that it was done in.' }),
    keyId: t.exposeID('keyId', {
      nullable: true,
      description: 'The key that it was done with; null for the server’s operator, and the server itself.',
    }),
    action: t.expose('action', { type: AuditActionRef, description: 'What was done.' }),
    data: t.expose('data', { type: 'JSONObject', description: 'To what: ids and names, never a secret.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When, by the database’s clock.' }),
  }),
});

builder.queryField('auditEvents', (t) =>
  t.connection(
    {
      type: AuditEventRef,
      description:
        'What was done in the account, oldest first; its newest 10,000 are kept. For OWNER. The admin’s are everybody’s.',
      resolve: (_root, args, { core, viewer }) =>
        connection<AuditEvent>(
          args,
          (event) => event.position,
          (page) => listAuditEvents(core, viewer, numbers(page)),
        ),
    },
    { name: 'AuditEventConnection' },
    { name: 'AuditEventEdge' },
  ),
);
