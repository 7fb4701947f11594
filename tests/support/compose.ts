import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

/** Docker's own way to write a dollar that is none of its variables. */
const word = z.string().transform((text) => text.replaceAll('$$', '$'));
/** What is set from outside, and otherwise has the value behind the `:-`. */
const set = z.string().transform((text) => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1'));

/** As far as the file goes; what is not here is not in it, or stops the test. */
const service = z
  .strictObject({
    image: z.string(),
    build: z.strictObject({ context: z.literal('.'), target: z.string() }).optional(),
    entrypoint: z.array(word).optional(),
    command: z.array(word).default([]),
    environment: z.record(z.string(), z.string()).default({}),
    user: z.string().optional(),
    ports: z.array(set).default([]),
    networks: z.array(z.string()).default(['default']),
    volumes: z.array(z.string()).default([]),
    healthcheck: z
      .strictObject({
        test: z.tuple([z.literal('CMD')], z.string()),
        interval: z.string(),
        timeout: z.string(),
        retries: z.number(),
      })
      .optional(),
    depends_on: z
      .record(z.string(), z.strictObject({ condition: z.enum(['service_healthy', 'service_completed_successfully']) }))
      .default({}),
    read_only: z.boolean().default(false),
    cap_drop: z.array(z.string()).default([]),
    security_opt: z.array(z.string()).default([]),
    init: z.boolean().default(false),
    deploy: z.strictObject({ replicas: z.number() }).default({ replicas: 1 }),
    stop_grace_period: z.templateLiteral([z.number(), 's']).optional(),
    restart: z.enum(['unless-stopped', 'on-failure']).optional(),
  })
  .readonly();
export type Service = z.infer<typeof service>;

const names = ['postgres', 's3', 'migrate', 'agent-key', 'server-1', 'server-2', 'proxy', 'agent'] as const;
const file = z.object({
  services: z.strictObject(
    Object.fromEntries(names.map((name) => [name, service])) as Record<(typeof names)[number], typeof service>,
  ),
  networks: z.record(z.string(), z.null()),
  volumes: z.record(z.string(), z.null()),
});
export type Compose = z.infer<typeof file>;

/** docker-compose.yml as Docker reads it, where nothing is set from outside. @throws z.ZodError where it has what is not known here */
export function readCompose(): Compose {
  const text = readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8');
  return file.parse(parse(text, { merge: true }));
}
