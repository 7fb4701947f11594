import { z } from 'zod';
import { listApiKeys } from '../core/accounts/find.ts';
import { accountFields, createAccount, createApiKey, createApiKeyFor, revokeApiKey } from '../core/accounts/manage.ts';
import { demandAdmin } from '../core/accounts/keys.ts';
import { ConflictError, ForbiddenError, InvalidInputError, NotFoundError } from '../core/errors.ts';
import { inputOf, parseInput } from '../core/input.ts';
import type { Account } from '../db/entities/account.ts';
import type { ApiKey } from '../db/entities/api-key.ts';
import { ApiKeyRoleRef } from './account.ts';
import { builder } from './builder.ts';

const MOST_LISTED = 1_000;

const AccountRef = builder.objectRef<Account>('Account').implement({
  description: 'The owner of jobs, keys and rules.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID in lower case.' }),
    username: t.exposeString('username', { description: 'Its name; no other account has it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

const ApiKeyRef = builder.objectRef<ApiKey>('ApiKey').implement({
  description: 'A key of an account, without its secret.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID in lower case.' }),
    accountId: t.exposeID('accountId', { description: 'Whose it is.' }),
    isPresented: t.boolean({
      description: 'Whether it is the key that asks for this: who revokes it is refused from then on.',
      // Who comes with Salad's credentials stands on the account's key for webhooks, which has another role, and has not presented it.
      resolve: ({ id, role }, _args, { viewer }) => id === viewer.keyId && role === viewer.role,
    }),
    role: t.expose('role', { type: ApiKeyRoleRef, description: 'What it may be used for.' }),
    name: t.exposeString('name', { nullable: true, description: 'What its owner calls it.' }),
    orgName: t.exposeString('orgName', { nullable: true, description: 'The organization it stands for.' }),
    projectName: t.exposeString('projectName', { nullable: true, description: 'The project it stands for.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true, description: 'Since when it is refused.' }),
  }),
});

const CreatedApiKeyRef = builder.objectRef<{ key: ApiKey; secret: string }>('CreatedApiKey').implement({
  description: 'A new key.',
  fields: (t) => ({
    apiKey: t.expose('key', { type: ApiKeyRef, description: 'The key.' }),
    secret: t.exposeString('secret', { description: 'What is presented. Told this once.' }),
  }),
});

builder.queryField('apiKeys', (t) =>
  t.field({
    type: [ApiKeyRef],
    description: 'The account’s keys that are not revoked, newest first, at most 1,000.',
    resolve: (_root, _args, { core, viewer }) => listApiKeys(core, viewer, MOST_LISTED),
  }),
);

const newAccount = z.object({ username: accountFields.username });

builder.mutationField('createAccount', (t) =>
  t.field({
    type: AccountRef,
    errors: { types: [InvalidInputError, ForbiddenError] },
    description: 'Makes an account, without any key yet. For the admin.',
    args: { username: t.arg.string({ required: true, description: 'A name that no account has.' }) },
    resolve: (_root, args, { core, viewer }) => {
      demandAdmin(viewer);
      return createAccount(core, viewer, parseInput(newAccount, args).username);
    },
  }),
);

const newKey = z.object({
  name: accountFields.keyName.nullish().transform((value) => value ?? null),
  orgName: accountFields.orgName.nullish().transform((value) => value ?? null),
  projectName: accountFields.projectName.nullish().transform((value) => value ?? null),
});

builder.mutationField('createApiKey', (t) =>
  t.field({
    type: CreatedApiKeyRef,
    errors: { types: [InvalidInputError, NotFoundError, ConflictError, ForbiddenError] },
    description: 'Makes a key of the own account; the admin of any.',
    args: {
      role: t.arg({ type: ApiKeyRoleRef, required: true, description: 'What it may be used for.' }),
      name: t.arg.string({ description: 'What you call it.' }),
      orgName: t.arg.string({ description: 'For the admin: the organization it stands for.' }),
      projectName: t.arg.string({ description: 'For the admin: the project it stands for.' }),
      accountId: t.arg.id({ description: 'For the admin: another account.' }),
    },
    resolve: (_root, args, { core, viewer }) => {
      const request = { ...inputOf(viewer, 'manage', newKey, args), role: args.role };
      if (args.accountId == null) return createApiKey(core, viewer, request);
      return createApiKeyFor(core, viewer, args.accountId, request);
    },
  }),
);

builder.mutationField('revokeApiKey', (t) =>
  t.field({
    type: ApiKeyRef,
    errors: { types: [NotFoundError, ConflictError, ForbiddenError] },
    description: 'Makes a key useless. Revoking twice is fine.',
    args: { id: t.arg.id({ required: true, description: 'The key’s id.' }) },
    resolve: (_root, { id }, { core, viewer }) => revokeApiKey(core, viewer, id),
  }),
);
