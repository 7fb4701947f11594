import { builtinModules } from 'node:module';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Bundle, bundleAgent, ROOT } from '../../../deploy/agent/bundle.ts';
import { licensesOf } from '../../../deploy/agent/licenses.ts';
import packageJson from '../../../package.json' with { type: 'json' };

describe('the bundle of the agent', () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundleAgent();
  });

  test('is the same each time, and says nothing of where it was made', async () => {
    expect((await bundleAgent()).script).toBe(bundle.script);
    expect(bundle.script).not.toContain(ROOT);
  });

  test('asks for nothing that lies beside it', () => {
    const wanted = [...bundle.script.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = '']) => name);
    expect(wanted).toContain('node:child_process');
    const known = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));
    // Two quicker ways of ws to mask and check bytes, and a signature that this agent refuses: it does without them.
    const optional = ['bufferutil', 'utf-8-validate', '@aws-sdk/signature-v4-crt', 'node:sea'];
    expect([...new Set(wanted)].filter((name) => !known.has(name) && !optional.includes(name))).toEqual([]);
  });

  test('knows nothing of the server', () => {
    const folders = new Set(bundle.inputs.map((path) => path.split('/')[0]));
    expect([...folders].toSorted()).toEqual(['agent', 'lib', 'node_modules']);
  });

  test('comes with the licence of each package in it', async () => {
    const licenses = await licensesOf(bundle.inputs);
    for (const name of ['ws', 'zod', 'pino', 'chokidar', '@aws-sdk/client-s3', 'graphql-ws']) {
      expect(licenses).toMatch(new RegExp(`^==== ${name} \\d+\\.\\d+\\.\\d+.* \\(.+\\)$`, 'm'));
    }
    expect(licenses).toMatch(new RegExp(`^==== Node.js ${packageJson.devDependencies.node}$`, 'm'));
    for (const library of ['ICU', 'libuv', 'OpenSSL', 'V8'])
      expect(licenses).toMatch(new RegExp(`^- ${library},`, 'm'));
  });
});
