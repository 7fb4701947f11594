import type { OpenAPIHono } from '@hono/zod-openapi';
import type { RestEnv } from './parts.ts';

const header = (name: string, description: string) => ({ type: 'apiKey', in: 'header', name, description }) as const;

const schemes = {
  key: header('X-Kelpie-Key', 'An API key of this server.'),
  saladKey: header('Salad-Api-Key', 'A key of Salad’s public API, where this server is set up to take them.'),
  saladOrganization: header('Salad-Organization', 'The organization that the Salad-Api-Key acts for.'),
  saladToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description:
      'The token of Salad’s instance metadata service, where this server is set up to take them. It may do the work of its own machine, nothing else.',
  },
  saladProject: header('Salad-Project', 'The project that Salad’s credentials are used for.'),
} as const;

/** One of these, each with all of its parts. Credentials of several kinds in one request are refused with 400. */
export const security: Partial<Record<keyof typeof schemes, []>>[] = [
  { key: [] },
  { saladKey: [], saladOrganization: [], saladProject: [] },
  { saladToken: [], saladProject: [] },
];

/** Describes, in the API's document, how to say who asks. */
export function registerCredentials(app: OpenAPIHono<RestEnv>): void {
  for (const [name, scheme] of Object.entries(schemes)) {
    app.openAPIRegistry.registerComponent('securitySchemes', name, scheme);
  }
}
