import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { agentVariables } from '../../agent/config.ts';
import { printedConfiguration } from '../../deploy/configuration.ts';
import { readConfig, serverVariables } from '../../server/config.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('docs/configuration.md', () => {
  test('is what the schemas of the settings say (npm run codegen)', () => {
    expect(read('docs/configuration.md')).toBe(printedConfiguration());
  });

  test('has every variable, with what it means and its default', () => {
    const rows = printedConfiguration().matchAll(/^\| `(\w+)` \| (.+) \| (.+) \|$/gm);
    const names = [...rows].map(([, name = '']) => name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(serverVariables.shape)));
    expect(names).toEqual(expect.arrayContaining(Object.keys(agentVariables.shape)));
    expect(printedConfiguration()).toContain(
      '| `KELPIE_PORT` | Port to listen on; 0 takes a free one (from 0 to 65535) | `4000` |',
    );
    expect(printedConfiguration()).toMatch(/\| `SALAD_MACHINE_ID` \| .* \| needed \|/);
  });
});

describe('docker-compose.yml', () => {
  const service = z.looseObject({
    environment: z.record(z.string(), z.string()).optional(),
    depends_on: z.record(z.string(), z.unknown()).optional(),
    ports: z.array(z.string()).default([]),
    command: z.union([z.string(), z.array(z.string())]).optional(),
    volumes: z.array(z.string()).default([]),
    init: z.boolean().default(false),
    build: z.object({ target: z.string() }).loose().optional(),
  });
  const { services } = z
    .object({ services: z.record(z.string(), service) })
    .parse(parse(read('docker-compose.yml'), { merge: true }));

  test('sets what server and agent know, so that they start', () => {
    for (const name of ['migrate', 'server-1', 'server-2']) {
      const environment = services[name]?.environment ?? {};
      expect(() => readConfig(environment), name).not.toThrow();
      expect(Object.keys(serverVariables.shape)).toEqual(expect.arrayContaining(Object.keys(environment)));
    }
    expect(
      agentVariables.safeParse({ ...services['agent']?.environment, SALAD_MACHINE_ID: 'one' }).error,
    ).toBeUndefined();
  });

  test('gives agents a key of their role alone, by a volume, and somebody who takes what jobs leave behind', () => {
    const [maker, agent] = [services['agent-key'], services['agent']];
    expect(maker?.command?.at(-1)).toContain(
      'create-key --account admin --role AGENT > /keys/new && mv /keys/new /keys/agent',
    );
    expect(maker?.volumes).toEqual(['keys:/keys']);
    expect(agent?.volumes).toEqual(['keys:/keys:ro']);
    expect(agent?.command?.at(-1)).toContain('KELPIE_API_KEY=$$(cat /keys/agent)');
    expect(agent?.depends_on).toHaveProperty('agent-key');
    expect(JSON.stringify(agent)).not.toContain(services['server-1']?.environment?.['KELPIE_ADMIN_KEY']);
    expect(agent?.init).toBe(true);
  });

  test('waits only for what is there, builds what the Dockerfile has, and listens on this machine alone', () => {
    const targets = [...read('Dockerfile').matchAll(/^FROM .* AS (\w+)$/gm)].map(([, target]) => target);
    for (const { depends_on: before, ports, build } of Object.values(services)) {
      for (const name of Object.keys(before ?? {})) expect(services).toHaveProperty(name);
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      if (build !== undefined) expect(targets).toContain(build.target);
    }
  });
});
