import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  environmentReads,
  forbiddenImports,
  importCycles,
  looseVersions,
  tooLongFiles,
  undeclaredPackages,
  type Budget,
  type DoorException,
  type Exception,
  type Sources,
  type Storey,
} from './support/laws.ts';

/** Who may know whom. Data flows one way, and an import only ever points down. */
const STOREYS: Storey[] = [
  {
    folder: 'server/',
    knows: ['schema/index.ts', 'core/', 'lib/'],
    because: 'ports and sockets call the core; SQL is two storeys below',
  },
  {
    folder: 'schema/',
    knows: ['core/', 'lib/'],
    knowsTypesOf: ['db/'],
    because: 'the API gives the core a shape, and reads the rows it is handed',
  },
  { folder: 'core/', knows: ['db/', 'lib/'], because: 'what may happen does not depend on who asks, or how' },
  { folder: 'db/', knows: ['lib/'], because: 'storage does not decide' },
  { folder: 'lib/', knows: [], because: 'leaves hold nothing up' },
  {
    folder: 'agent/',
    knows: ['lib/'],
    because: 'it runs on machines of others, and knows the server by the printed schema alone',
  },
  { folder: 'client-examples/', knows: [], because: 'users copy them, and have no server code' },
  { folder: 'dashboard/', knows: [], because: 'it is a web client like any other' },
  { folder: 'deploy/', knows: 'everything', because: 'it puts the parts together' },
  { folder: 'tests/', knows: 'everything', because: 'everything is tested' },
  { folder: 'bench/', knows: 'everything', because: 'everything is measured' },
  { folder: '', knows: 'everything', because: 'at the root lie only settings of tools' },
];

const DOORS: DoorException[] = [
  {
    files: 'server/database.ts',
    knows: ['db/'],
    because: 'it wires the parts, so it opens the database that it hands down',
  },
];

const MAY_READ_ENVIRONMENT: Exception[] = [
  {
    files: '*/config.ts',
    because: 'this is the place: each program has one, which checks all and reports every fault',
  },
  { files: '*.config.ts', because: 'settings of tools are programs of their own' },
  { files: 'db/embedded/cluster.ts', because: 'it hands the whole environment on to a child, and reads nothing in it' },
  { files: 'client-examples/jobs/', because: 'a job is told by variables where to report its progress' },
  { files: 'client-examples/typescript/', because: 'an example is one file, read from top to bottom' },
  { files: 'client-examples/webhook-receiver/', because: 'an example is one file, read from top to bottom' },
  { files: 'deploy/', because: 'scripts that put parts together' },
  { files: 'tests/', because: 'tests set the stage' },
  { files: 'bench/', because: 'benchmarks set the stage' },
];

/** How long a file may be; the first row that matches decides. ESLint holds the budget of functions. */
const BUDGETS: Budget[] = [
  { files: 'package-lock.json', lines: undefined, because: 'npm writes it' },
  { files: 'schema/schema.graphql', lines: undefined, because: 'printed from the code' },
  { files: 'db/schema.sql', lines: undefined, because: 'dumped from the database' },
  { files: 'db/migrations/', lines: undefined, because: 'append-only: a long one can not be cut any more' },
  { files: 'agent/generated/', lines: undefined, because: 'generated from the printed schema' },
  { files: 'client-examples/cli/generated/', lines: undefined, because: 'generated from the printed schema' },
  { files: 'client-examples/typescript/generated/', lines: undefined, because: 'generated from the printed schema' },
  { files: '*.license.txt', lines: undefined, because: 'the words of others, whole' },
  { files: 'client-examples/requirements.txt', lines: undefined, because: 'resolved by a tool, with hashes' },
  { files: 'dashboard/generated/', lines: undefined, because: 'generated from the printed schema' },
  { files: 'deploy/grafana/', lines: undefined, because: 'Grafana writes it' },
  { files: '*.md', lines: undefined, because: 'prose' },
  { files: '*.svg', lines: undefined, because: 'a picture' },
  { files: 'tests/', lines: 500, because: 'a test file has its helpers with it' },
  { files: 'bench/', lines: 500, because: 'as a test' },
  { files: '*', lines: 300, because: 'a file tells one story' },
];

/** What runs in production, on `dependencies` alone. */
const SHIPPED = ['server/', 'schema/', 'core/', 'db/', 'lib/'];

describe('the repository', () => {
  const sources = repository();
  const manifest = z
    .object({ dependencies: z.record(z.string(), z.string()), devDependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(sources['package.json'] ?? '{}'));

  test('is read whole', () => {
    expect(sources).toHaveProperty(['tests/architecture.test.ts']);
    expect(sources).toHaveProperty(['db/embedded.ts']);
  });

  // It reads every file's imports, which takes a loaded machine its time.
  test('imports only point down', { timeout: 120_000 }, () => {
    expect(forbiddenImports(sources, STOREYS, DOORS)).toEqual([]);
  });

  test('no files import each other in a ring', () => {
    expect(importCycles(sources)).toEqual([]);
  });

  test('no file is longer than its budget', () => {
    expect(tooLongFiles(sources, BUDGETS)).toEqual([]);
  });

  test('only a program’s config.ts reads the environment', () => {
    expect(environmentReads(sources, MAY_READ_ENVIRONMENT)).toEqual([]);
  });

  test('every imported package is declared', () => {
    expect(undeclaredPackages(sources, manifest, SHIPPED)).toEqual([]);
  });

  test('every dependency is pinned to one version', () => {
    expect(looseVersions(manifest)).toEqual([]);
  });

  test('every exception names a file that is there', () => {
    const paths = Object.keys(sources);
    const needless = [...DOORS, ...MAY_READ_ENVIRONMENT].filter(
      ({ files }) => !files.startsWith('*') && !files.endsWith('/') && !paths.includes(files),
    );
    expect(needless).toEqual([]);
  });
});

describe('the laws can be broken', () => {
  const imports = (path: string, source: string) => forbiddenImports({ [path]: source }, STOREYS, DOORS);

  test.for([
    ['lib/clock.ts', `import { Job } from '../db/entities/job.ts';`],
    ['db/orm.ts', `export { submit } from '../core/jobs/submit.ts';`],
    ['core/jobs/submit.ts', `import type { Viewer } from '../../schema/index.ts';`],
    ['schema/job.ts', `import { createApp } from '../server/app.ts';`],
    ['schema/job.ts', `import { type Row, Job } from '../db/entities/job.ts';`],
    ['server/rest/jobs.ts', `const { Job } = await import('../../db/entities/job.ts');`],
    ['server/graphql.ts', `import { builder } from '../schema/builder.ts';`],
    ['server/health.ts', `import '../deploy/local/s3.ts';`],
    ['agent/link.ts', `type Lease = import('../core/leases/terms.ts').Lease;`],
    ['client-examples/submit.ts', `import { sleep } from '../lib/sleep.ts';`],
    ['dashboard/app.tsx', `import * as jobs from '../core/jobs/find.ts';`],
    ['core/jobs/find.ts', `const helper = require('../../tests/support/laws.ts');`],
  ] as const)('%s may not say %s', ([path, source]) => {
    expect(imports(path, `\n${source}\n`)).toEqual([expect.stringMatching(new RegExp(`^${path}:2 imports `))]);
  });

  test.for([
    ['schema/job.ts', `import type { Job } from '../db/entities/job.ts';`],
    ['schema/job.ts', `import { type Job } from '../db/entities/job.ts';`],
    ['server/graphql.ts', `import { schema } from '../schema/index.ts';`],
    ['server/database.ts', `import { openOrm } from '../db/orm.ts';`],
    ['agent/run.ts', `import { sleep } from '../lib/sleep.ts'; import './generated/gql.ts'; import 'ws';`],
    ['core/jobs/find.ts', `// import '../../server/app.ts';\nconst text = "import '../../server/app.ts'";`],
  ] as const)('%s may say %s', ([path, source]) => {
    expect(imports(path, source)).toEqual([]);
  });

  test('a breach names file, line, what was imported, and why not', () => {
    expect(imports('agent/run.ts', `import { a } from '../core/a.ts';`)).toEqual([
      'agent/run.ts:1 imports core/a.ts. agent/ knows lib/: it runs on machines of others, and knows the server by the printed schema alone',
    ]);
  });

  test('a folder that no row speaks of', () => {
    expect(forbiddenImports({ 'misc/a.ts': '' }, STOREYS.slice(0, 3), [])).toEqual([
      'misc/a.ts: its folder has no row in the table of storeys',
    ]);
  });

  test('a ring of three, by value, type and re-export', () => {
    const ring = {
      'core/a.ts': `import { b } from './b.ts';`,
      'core/b.ts': `export * from './c/c.ts';`,
      'core/c/c.ts': `import type { A } from '../a.ts';`,
      'core/d.ts': `import './a.ts'; import './b.ts';`,
    };
    expect(importCycles(ring)).toEqual(['core/a.ts → core/b.ts → core/c/c.ts → core/a.ts']);
    expect(importCycles({ ...ring, 'core/c/c.ts': '' })).toEqual([]);
  });

  test('a file, a test and a statement that are one line too long', () => {
    const long = (lines: number) => 'x\n'.repeat(lines);
    const sources = { 'core/a.ts': long(301), 'tests/a.test.ts': long(501), 'db/sql/a.sql': long(301) };
    const fitting = { 'core/a.ts': long(300), 'tests/a.test.ts': long(500), 'db/migrations/1.ts': long(2000) };
    expect(tooLongFiles(sources, BUDGETS)).toHaveLength(3);
    expect(tooLongFiles(sources, BUDGETS)[0]).toBe('core/a.ts has 301 lines, 300 are allowed: a file tells one story');
    expect(tooLongFiles(fitting, BUDGETS)).toEqual([]);
  });

  test.for([
    `const port = process.env.PORT;`,
    `const port = process['env']['PORT'];`,
    `const { env } = process;`,
    `import { env as e } from 'node:process';`,
    `console.log(globalThis.process.env);`,
  ])('the environment read by %s', (source) => {
    expect(environmentReads({ 'server/app.ts': source }, MAY_READ_ENVIRONMENT)).toHaveLength(1);
    expect(environmentReads({ 'server/config.ts': source }, MAY_READ_ENVIRONMENT)).toEqual([]);
  });

  test('a package that is not declared, or only for development', () => {
    const manifest = { dependencies: { zod: '4.6.7', '@a/b': '1.0.0' }, devDependencies: { vitest: '5.1.1' } };
    const check = (path: string, name: string) =>
      undeclaredPackages({ [path]: `import '${name}';` }, manifest, SHIPPED);
    expect(check('core/a.ts', 'lodash/fp')).toEqual([
      'core/a.ts:1 imports lodash, which is not among the dependencies of package.json',
    ]);
    expect(check('core/a.ts', 'vitest')).toHaveLength(1);
    expect(check('core/a.ts', '@a/c')).toHaveLength(1);
    for (const name of ['zod', 'zod/v4', '@a/b/c', 'node:fs', 'fs']) expect(check('core/a.ts', name)).toEqual([]);
    expect(check('tests/a.ts', 'vitest')).toEqual([]);
  });

  test.for(['^4.6.7', '~1.0.0', '4', '*', 'latest', '>=1.0.0', 'npm:typescript@^7.0.2'])(
    'the version %s',
    (version) => {
      expect(looseVersions({ dependencies: { zod: version } })).toHaveLength(1);
    },
  );

  test.for(['4.6.7', '18.4.0-beta.17', 'npm:typescript@7.0.2', 'npm:@a/b@1.0.0'])('but not %s', (version) => {
    expect(looseVersions({ devDependencies: { zod: version } })).toEqual([]);
  });
});

/** All text files that are, or are about to be, in the repository. */
function repository(): Sources {
  const root = join(import.meta.dirname, '..');
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const paths = list.split('\0').filter((path) => statSync(join(root, path), { throwIfNoEntry: false })?.isFile());
  const texts = paths.map((path) => [path, readFileSync(join(root, path), 'utf8')] as const);
  return Object.fromEntries(texts.filter(([, text]) => !text.includes('\0')));
}
