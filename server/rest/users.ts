import { createRoute, z } from '@hono/zod-openapi';
import { findAccount } from '../../core/accounts/find.ts';
import { demandAdmin } from '../../core/accounts/keys.ts';
import { accountFields, clearAccounts, createAccount, createApiKeyFor } from '../../core/accounts/manage.ts';
import { apiKeyRoles } from '../../core/accounts/roles.ts';
import { exampleAccountId, exampleUser } from './examples.ts';
import { accountWords, said } from './field-words.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonInput, jsonOutput } from './router.ts';

/** The endpoints about accounts, which REST calls users, and their keys, which it calls tokens. */
export function userRoutes({ core, viewerOf }: Pick<RestParts, 'core' | 'viewerOf'>) {
  const { reading, writing } = doors(viewerOf);
  const administering = writing(demandAdmin);
  const router = createRouter();

  router.openapi({ ...me, ...reading }, async (context) => {
    return context.json(viewOf(await findAccount(core, context.get('viewer'))), 200);
  });
  router.openapi({ ...create, ...administering }, async (context) => {
    const { username } = context.req.valid('json');
    return context.json(viewOf(await createAccount(core, context.get('viewer'), username)), 201);
  });
  router.openapi({ ...createToken, ...administering }, async (context) => {
    const { id } = context.req.valid('param');
    const { secret } = await createApiKeyFor(core, context.get('viewer'), id, context.req.valid('json'));
    return context.json({ token: secret }, 201);
  });
  router.openapi({ ...clear, ...reading }, async (context) => {
    await clearAccounts(core, context.get('viewer'));
    return context.body(null, 204);
  });
  return router;
}

const USERNAME = 'What the account is called; no two are called the same';
const userView = z
  .object({
    id: said(z.uuid(), 'Of the account'),
    username: said(z.string(), USERNAME),
    created: said(z.iso.datetime(), accountWords.created),
  })
  .openapi('User');

function viewOf({ id, username, createdAt }: Awaited<ReturnType<typeof findAccount>>): z.infer<typeof userView> {
  return { id, username, created: createdAt.toISOString() };
}

const newUser = z.strictObject({ username: said(accountFields.username, USERNAME) }).openapi('NewUser');

const newToken = z
  .strictObject({
    org_name: said(accountFields.orgName.nullish(), 'Organization in which rules that are made with the token scale'),
    project_name: said(accountFields.projectName.nullish(), 'Project in which they scale'),
    role: z.enum(apiKeyRoles).nullish().openapi({ default: 'OWNER', description: 'What the token may be used for' }),
  })
  .transform(({ org_name, project_name, role }) => {
    return { orgName: org_name ?? null, projectName: project_name ?? null, role: role ?? ('OWNER' as const) };
  })
  .openapi('NewToken');

const me = createRoute({
  method: 'get',
  path: '/users/me',
  operationId: 'getMe',
  tags: ['users'],
  summary: 'Whose key this is',
  description: 'The account of the presented key, whatever the key’s role.',
  responses: { 200: jsonOutput('The account', userView, exampleUser), ...problemResponses(401, 403) },
});

const create = createRoute({
  method: 'post',
  path: '/users',
  operationId: 'createUser',
  tags: ['admin'],
  summary: 'Make an account',
  description: 'For the admin. The account has no token yet. A name that is taken is refused.',
  request: { body: jsonInput(newUser, { username: exampleUser.username }) },
  responses: { 201: jsonOutput('The account', userView, exampleUser), ...problemResponses(400, 401, 403, 413) },
});

const createToken = createRoute({
  method: 'post',
  path: '/users/{id}/token',
  operationId: 'createToken',
  tags: ['admin'],
  summary: 'Make a token of an account',
  description:
    'For the admin. The token is told this once: the server keeps no readable copy. Its organization and project become those of the scaling rules that are made with it.',
  request: {
    params: z.object({ id: z.string().openapi({ format: 'uuid', example: exampleAccountId }) }),
    body: jsonInput(newToken, { org_name: 'my-organization', project_name: 'my-project', role: 'OWNER' }),
  },
  responses: {
    201: jsonOutput('The token', z.object({ token: said(z.string(), 'To be sent as `X-Kelpie-Key`') }), {
      token: 'kelpie_…',
    }),
    ...problemResponses(400, 401, 403, 404, 409, 413),
  },
});

const clear = createRoute({
  method: 'delete',
  path: '/users',
  operationId: 'clearUsers',
  tags: ['admin'],
  summary: 'Remove every account',
  description: 'For the admin, whose own account stays. All that the accounts had goes with them.',
  responses: { 204: { description: 'All of them are gone' }, ...problemResponses(401, 403) },
});
