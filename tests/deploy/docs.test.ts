import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { BUCKET } from '../../deploy/local/stack.ts';
import { BUCKET as BUCKET_OF_IMAGES } from '../images/jobs.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'core/README.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
];

test.for(pages.filter((path) => path.endsWith('.md')))('what %s points to is there', (path) => {
  const targets = [...read(path).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, target = '']) => target);
  expect(targets.filter((target) => !existsSync(join(ROOT, dirname(path), target)))).toEqual([]);
});

test.for(pages.filter((path) => path.endsWith('.md')))('the headings that %s points to are there', (path) => {
  const targets = [...read(path).matchAll(/\]\((?!\w+:)([^)#\s]*)#([^)\s]+)\)/g)];
  const missing = targets.filter(([, target = '', heading = '']) => {
    const page = target === '' ? path : join(dirname(path), target);
    return page.endsWith('.md') && !anchorsOf(read(page)).has(heading);
  });
  expect(missing.map(([link]) => link)).toEqual([]);
});

/** As GitHub makes them of headings. */
function anchorsOf(page: string): Set<string> {
  const headings = page.replaceAll(/^( *)```[^]*?^\1```$/gm, '').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, text = '']) =>
      text
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test.for(pages.filter((path) => path.endsWith('.md')))('GraphQL in %s is what the schema has', (path) => {
  const schema = buildSchema(read('schema/schema.graphql'));
  const documents = [...read(path).matchAll(/^```graphql\n([^]*?)^```$/gm)].map(([, text = '']) => parse(text));
  const operations = documents.filter(({ definitions }) =>
    definitions.some(({ kind }) => kind === 'OperationDefinition'),
  );
  const faults = operations.flatMap((document) => validate(schema, document).map(({ message }) => message));
  expect(faults).toEqual([]);
});

describe('the store of `npm run dev` and that of docker-compose.yml have the bucket', () => {
  test.for(['README.md', 'docs/getting-started.md', 'docs/clients.md', 'client-examples/github-actions/job.yaml'])(
    'that %s has jobs use',
    (path) => {
      const named = [...read(path).matchAll(/\bbucket\\?"?: *\\?"?([\w-]+)/g)].map(([, name]) => name);
      expect(named.length).toBeGreaterThan(0);
      expect(new Set(named)).toEqual(new Set([BUCKET]));
    },
  );

  test('in common with each other, and with the jobs that CI has them do', () => {
    const compose = read('docker-compose.yml');
    expect(compose.match(/mkdir -p \/data\/([\w-]+)/)?.[1]).toBe(BUCKET);
    expect(compose.match(/in the bucket `([\w-]+)`/)?.[1]).toBe(BUCKET);
    expect(read('.github/workflows/ci.yml').match(/find \/data\/([\w-]+)/)?.[1]).toBe(BUCKET);
    expect(BUCKET_OF_IMAGES).toBe(BUCKET);
  });
});

describe('CONTRIBUTING.md', () => {
  const page = read('CONTRIBUTING.md');

  test('or the README names every command', () => {
    const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json')));
    const known = `${page}${read('README.md')}`;
    const isNamed = (name: string) => new RegExp(`npm (run )?${name}(?![\\w:])`).test(known);
    expect(Object.keys(scripts).filter((name) => !isNamed(name))).toEqual(['typecheck', 'lint', 'drift']);
  });

  test('names every benchmark', () => {
    const benchmarks = [...read('bench/main.ts').matchAll(/^import \{ (\w+) \} from '\.\//gm)].map(
      ([, name = '']) => name,
    );
    expect(benchmarks.length).toBeGreaterThan(10);
    const [row = ''] = /^\| `npm run bench.*$/m.exec(page) ?? [];
    expect(benchmarks.filter((name) => !new RegExp(`\\b${name}\\b`).test(row))).toEqual([]);
  });
});

describe('the protocol of agents', () => {
  const page = read('docs/agent-protocol.md');

  test('has every operation that our agent uses, but for the one that --check asks', () => {
    const operations = [...read('agent/operations.graphql').matchAll(/^(?:mutation|subscription).*\{\n {2}(\w+)/gm)];
    expect(operations.length).toBeGreaterThan(6);
    for (const [, field = ''] of operations) expect(page).toContain(field);
  });

  test('names nothing that the schema does not have', () => {
    const schema = read('schema/schema.graphql');
    const names = [...page.matchAll(/`([a-z][a-zA-Z]+)\(/g)].map(([, name = '']) => name);
    for (const name of names) expect(schema).toMatch(new RegExp(`\\b${name}\\(`));
  });
});

test('the REST page has every path of the API', async () => {
  const page = read('docs/rest.md').replace(/`(\/scaling-rules)`?, `/g, '');
  const sources = readdirSync(join(ROOT, 'server/rest')).map((name) => read(`server/rest/${name}`));
  const paths = new Set(
    sources.flatMap((text) => [...text.matchAll(/^ {2}path: '([^']+)'/gm)].map(([, path = '']) => path)),
  );
  expect(paths.size).toBeGreaterThan(12);
  for (const path of paths) expect(page).toContain(path.replaceAll('{id}', ':id'));
});
