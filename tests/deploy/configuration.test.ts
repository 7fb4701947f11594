import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentVariables, loadConfig } from '../../agent/config.ts';
import { printedConfiguration } from '../../deploy/configuration.ts';
import { readConfig, serverVariables } from '../../server/config.ts';
import { readCompose, type Service } from '../support/compose.ts';

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
  const { services, networks, volumes } = readCompose();
  const all = Object.entries(services);

  test('sets what server and agent know, so that they start', () => {
    for (const name of ['migrate', 'agent-key', 'server-1', 'server-2'] as const) {
      const { environment } = services[name];
      expect(() => readConfig(environment), name).not.toThrow();
      expect(Object.keys(serverVariables.shape)).toEqual(expect.arrayContaining(Object.keys(environment)));
    }
    const config = loadConfig({ ...services.agent.environment, KELPIE_API_KEY: 'a-key', SALAD_MACHINE_ID: 'one' });
    expect(config).toMatchObject({ graphqlUrl: 'ws://proxy:4000/graphql', containerGroupId: 'compose' });
    expect(config.metadataUrl).toBeUndefined();
    expect(Number.parseInt(services.agent.stop_grace_period ?? '', 10) * 1_000).toBeGreaterThan(
      config.shutdownGraceMs + config.uploadGraceMs,
    );
  });

  test('gives agents a key of their role alone, by a volume, and somebody who takes what jobs leave behind', () => {
    const { 'agent-key': maker, agent } = services;
    expect(maker.command.at(-1)).toContain(
      'create-key --account admin --role AGENT > /keys/new && mv /keys/new /keys/agent',
    );
    expect(maker.volumes).toEqual(['keys:/keys']);
    expect(agent.volumes).toEqual(['keys:/keys:ro']);
    expect(agent.command.at(-1)).toContain('KELPIE_API_KEY=$(cat /keys/agent)');
    expect(agent.depends_on).toHaveProperty('agent-key');
    expect(JSON.stringify(agent)).not.toContain(services['server-1'].environment['KELPIE_ADMIN_KEY']);
    expect(agent.init).toBe(true);
  });

  test('builds what the Dockerfile has, the same for one image, and listens on this machine alone', () => {
    const targets = [...read('Dockerfile').matchAll(/^FROM .* AS (\w+)$/gm)].map(([, target]) => target);
    const targetOf = new Map(all.flatMap(([, { image, build }]) => (build ? [[image, build.target]] : [])));
    for (const { image, build, ports } of Object.values(services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
      expect(build?.target).toBe(targetOf.get(image));
      if (build !== undefined) expect(targets).toContain(build.target);
    }
    expect([...targetOf.keys()]).toEqual(['kelpie-server', 'kelpie-agent']);
  });

  test('waits only for what can come true: for the health of who has a check, for the end of who does not go on', () => {
    const isChecked = ({ healthcheck, image }: Service) => healthcheck !== undefined || image === 'kelpie-server';
    expect(read('Dockerfile')).toMatch(/AS server\n(?:(?!^FROM)[^])*^HEALTHCHECK /m);
    for (const [name, { depends_on: before }] of all) {
      for (const [other, { condition }] of Object.entries(before)) {
        const awaited = all.find(([one]) => one === other)?.[1];
        if (condition === 'service_healthy') expect(awaited && isChecked(awaited), `${name}: ${other}`).toBe(true);
        else expect(awaited?.restart, `${name}: ${other}`).toBe('on-failure');
      }
    }
  });

  test('names its services, their ports, and what they are let in with, as they are', () => {
    const { postgres, s3, proxy, agent } = services;
    const database = new URL(services['server-1'].environment['DATABASE_URL'] ?? '');
    const { POSTGRES_USER: user, POSTGRES_PASSWORD: password, POSTGRES_DB: name } = postgres.environment;
    expect([database.username, database.password, database.pathname]).toEqual([user, password, `/${name}`]);
    expect([database.hostname, inside(postgres)]).toEqual(['postgres', Number(database.port)]);
    expect(postgres.healthcheck?.test).toEqual(expect.arrayContaining([`--username=${user}`, `--dbname=${name}`]));
    const { AWS_ENDPOINT_URL: store, AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = agent.environment;
    expect(store).toBe(`http://s3:${inside(s3)}`);
    expect([id, secret]).toEqual([s3.environment['ROOT_ACCESS_KEY'], s3.environment['ROOT_SECRET_KEY']]);
    expect(agent.environment['KELPIE_API_URL']).toBe(`http://proxy:${inside(proxy)}`);
    expect(proxy.volumes).toEqual(['./deploy/compose/Caddyfile:/etc/caddy/Caddyfile:ro']);
    const caddyfile = read('deploy/compose/Caddyfile');
    expect(caddyfile).toContain(`{$KELPIE_PROXY_ADDRESS::${inside(proxy)}}`);
    const port = readConfig(services['server-1'].environment).KELPIE_PORT;
    expect(caddyfile).toContain(`{$KELPIE_SERVERS:server-1:${port} server-2:${port}}`);
  });

  test('lets what jobs run reach the proxy and the store, and neither the database nor a server by itself', () => {
    const besides = (name: keyof typeof services) =>
      all.filter(([, { networks: other }]) => services[name].networks.some((network) => other.includes(network)));
    expect(besides('agent').map(([name]) => name)).toEqual(['s3', 'proxy', 'agent']);
    const besidesDatabase = ['postgres', 'migrate', 'agent-key', 'server-1', 'server-2', 'proxy'];
    expect(besides('postgres').map(([name]) => name)).toEqual(besidesDatabase);
    expect(new Set(all.flatMap(([, one]) => one.networks))).toEqual(new Set(Object.keys(networks)));
  });

  test('keeps data in volumes that it has', () => {
    const named = all.flatMap(([, one]) => one.volumes).flatMap((volume) => /^(\w+):/.exec(volume)?.[1] ?? []);
    expect(new Set(named)).toEqual(new Set(Object.keys(volumes)));
  });
});

/** The port that a service listens on, of the one that it shows. */
function inside({ ports }: Service): number {
  return Number(ports[0]?.split(':').at(-1));
}
