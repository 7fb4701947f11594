import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expandSweep, readRows } from '../../../client-examples/cli/spec/sweep.ts';
import { jsonOf, ran, type Setting } from './support.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

/** What would be submitted, without any server. */
async function draft(words: string[], setting: Setting = {}) {
  const result = await ran(['submit', '--dry-run', '--json', ...words], setting);
  return { ...result, jobs: result.exit === 0 ? jsonOf(result) : [] };
}

describe('a job of flags', () => {
  test('has command, arguments, labels, variables and what is carried', async () => {
    const { jobs } = await draft([
      ...['--group', 'gpus', '--name', 'first', '--env', 'SEED=1', '--env', 'A=b=c', '--label', 'sweep=7'],
      ...['--priority', '5', '--before', 'data=s3://bucket/data/', '--during', 'out/ck=s3://bucket/run/ck'],
      ...['--after', 'results=s3://other', '--', 'python', 'train.py', '--epochs', '3'],
    ]);
    expect(jobs).toEqual([
      {
        command: 'python',
        arguments: ['train.py', '--epochs', '3'],
        containerGroupId: 'gpus',
        name: 'first',
        priority: 5,
        environment: { SEED: '1', A: 'b=c' },
        labels: { sweep: '7' },
        sync: {
          before: [{ bucket: 'bucket', prefix: 'data/', localPath: 'data', direction: 'DOWNLOAD' }],
          during: [{ bucket: 'bucket', prefix: 'run/ck', localPath: 'out/ck', direction: 'UPLOAD' }],
          after: [{ bucket: 'other', prefix: '', localPath: 'results', direction: 'UPLOAD' }],
        },
      },
    ]);
  });

  test.for([
    [['--group', 'g'], 'Expected a command'],
    [['--', 'true'], '--group: expected the id of a container group, got nothing\n'],
    [['--group', 'g', '--priority', 'high', '--', 'true'], '--priority: expected a whole number, got "high"\n'],
    [['--group', 'g', '--max-failures', '1.5', '--', 'true'], '--max-failures: expected a whole number, got "1.5"\n'],
    [['--group', 'g', '--idempotency-key', '', '--', 'true'], '--idempotency-key: expected a key, got ""\n'],
    [['--group', 'g', '--before', 'data', '--', 'true'], '--before: expected path=s3://bucket/prefix, got "data"'],
    [['--group', 'g', '--env', 'SEED', '--', 'true'], '--env: expected name=value, got "SEED"'],
    [['--group', 'g', '--gruop', 'g', '--', 'true'], "unknown option '--gruop'"],
    [['--file', '/nonexistent/job.yaml'], "/nonexistent/job.yaml can't be read"],
  ] as const)('%j is refused as "%s"', async ([words, fault]) => {
    const { exit, err, out } = await draft([...words]);
    expect(err).toContain(fault);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
  });
});

describe('a job of a file', () => {
  const yaml = `
command: python
arguments: [train.py, --seed, 7]
containerGroupId: gpus
environment: { SEED: 1 }
labels: { team: red }
sync:
  during:
    - { bucket: b, prefix: ck/, localPath: ck, pattern: "*.pt" }
`;

  test('may be YAML, with its directions understood; flags replace fields, and add labels', async () => {
    const path = await file('job.yaml', yaml);
    const { jobs } = await draft(['--file', path, '--group', 'others', '--label', 'sweep=1']);
    expect(jobs).toEqual([
      {
        command: 'python',
        arguments: ['train.py', '--seed', '7'],
        containerGroupId: 'others',
        environment: { SEED: '1' },
        labels: { team: 'red', sweep: '1' },
        sync: {
          before: [],
          during: [{ bucket: 'b', prefix: 'ck/', localPath: 'ck', pattern: '*.pt', direction: 'UPLOAD' }],
          after: [],
        },
      },
    ]);
  });

  test('may be a list in JSON, from standard input', async () => {
    const stdin = JSON.stringify(
      [1, 2].map((n) => ({ command: 'echo', arguments: [String(n)], containerGroupId: 'g' })),
    );
    const { jobs } = await draft(['--file', '-'], { stdin });
    expect(jobs.map((job) => job.arguments)).toEqual([['1'], ['2']]);
  });

  test.for([
    ['command: [', 'Flow sequence'],
    ['just a text', 'expected one job, or a list of jobs'],
    ['{command: a, containerGroupId: g, comand: b}', 'comand: unknown field, remove it'],
    ['[{command: a, containerGroupId: g}, {command: a}]', 'job 2: containerGroupId: expected the id of a container'],
    ['{command: a, containerGroupId: g, environment: {A: [1]}}', 'environment.A: expected a text, got a list'],
    ['{command: a, containerGroupId: g, arguments: b c}', 'arguments: expected a list of texts, got "b c"'],
    ['{command: a, containerGroupId: g, sync: [1]}', 'sync: expected "before", "during" and "after", got a list'],
    [
      '{command: a, containerGroupId: g, sync: {before: [{bucket: b, localPath: l, direction: UPLOAD}]}}',
      'sync.before.0.direction: expected DOWNLOAD, or none at all, got "UPLOAD"',
    ],
  ] as const)('%s is refused', async ([text, fault]) => {
    const { exit, err } = await draft(['--file', await file('bad.yaml', text)]);
    expect(err).toContain(fault);
    expect(exit).toBe(2);
  });

  test('that unfolds without bound is refused', async () => {
    const levels = Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`);
    const { exit, err } = await draft(['--file', await file('bomb.yaml', ['a0: &a0 [x]', ...levels].join('\n'))]);
    expect(err).toMatch(/alias/i);
    expect(exit).toBe(2);
  });
});

describe('a sweep', () => {
  test('is a job for each row, with numbers where numbers belong', async () => {
    const csv = await file('sweep.csv', 'lr,layers\n0.1,2\n"0,5",3\n');
    const { jobs } = await draft([
      ...['--csv', csv, '--group', 'g', '--name', 'run-{{row}}', '--priority', '{{layers}}', '--label', 'lr={{ lr }}'],
      ...['--after', 'out=s3://b/{{row}}/', '--', 'train', '--lr={{lr}}', '--layers', '{{layers}}'],
    ]);
    expect(jobs).toMatchObject([
      { name: 'run-1', priority: 2, labels: { lr: '0.1' }, arguments: ['--lr=0.1', '--layers', '2'] },
      { name: 'run-2', priority: 3, labels: { lr: '0,5' }, arguments: ['--lr=0,5', '--layers', '3'] },
    ]);
    expect(jobs[1]).toMatchObject({ sync: { after: [{ bucket: 'b', prefix: '2/' }] } });
  });

  test.for([
    ['a,b\n1\n', 'train', 'Invalid Record Length'],
    ['a\n', 'train', 'at least one row'],
    ['a\n1\n', 'train-{{c}}', 'expected one of the columns row, a'],
    ['a\n1\n', 'train-{{constructor}}', 'expected one of the columns row, a'],
  ] as const)('of %j for %s is refused', async ([text, command, fault]) => {
    const { exit, err } = await draft(['--csv', await file('bad.csv', text), '--group', 'g', '--', command]);
    expect(err).toContain(fault);
    expect(exit).toBe(2);
  });

  test.for([
    [['--name', 'lr {{lr}}'], '{{lr}} stands there, and no table to fill it in'],
    [['--label', '{{ key }}=1'], '{{ key }} stands there'],
  ] as const)('without a table is refused, not submitted as it stands: %j', async ([words, fault]) => {
    const { exit, err } = await draft([...words, '--group', 'g', '--', 'train']);
    expect(err).toContain(fault);
    expect(exit).toBe(2);
  });

  test('is what {{…}} means, unless --literal says that it stands for itself', async () => {
    const { jobs } = await draft(['--literal', '--group', 'g', '--', 'docker', 'inspect', '-f', '{{.Id}}']);
    expect(jobs).toMatchObject([{ arguments: ['inspect', '-f', '{{.Id}}'] }]);
    const csv = await file('rows.csv', 'a\n1\n');
    const both = await draft(['--literal', '--csv', csv, '--group', 'g', '--', 'train']);
    expect([both.exit, both.err]).toEqual([2, expect.stringContaining('--csv or --literal, got both') as string]);
  });

  test('of a list of jobs is refused', async () => {
    const csv = await file('rows.csv', 'a\n1\n');
    const jobs = await file('two.yaml', '[{command: a, containerGroupId: g}, {command: a, containerGroupId: g}]');
    const { err, exit } = await draft(['--file', jobs, '--csv', csv]);
    expect(err).toContain('expected one template, got 2 jobs');
    expect(exit).toBe(2);
  });

  test('puts in what stands in the table, whatever that is, and looks into it no further', () => {
    const cell = fc.string().map((text) => text.replaceAll(/["\r\n]/g, '').trim());
    fc.assert(
      fc.property(cell, cell, (a, b) => {
        const rows = readRows(`a,b\n"${a}","${b}"\n`, 'rows.csv');
        const [job] = expandSweep({ command: '{{a}}|{{b}}|{{{a}}}', arguments: [['{{b}}'], 3] }, rows);
        expect(job).toEqual({ command: `${a}|${b}|{${a}}`, arguments: [[b], 3] });
      }),
      {
        examples: [
          ['{{b}}', '{{a}}'],
          ['$&', '$1'],
          ['__proto__', 'x'],
        ],
      },
    );
  });
});

test('without --json a dry run reads as a person would write it, and says that nothing was done', async () => {
  const words = ['--group', 'g', '--before', 'in=s3://b/p/', '--', 'sh', '-c', "echo 'hi'"];
  const { exit, out, err } = await ran(['submit', '--dry-run', ...words]);
  expect(out).toBe("(no name) in g: sh -c 'echo '\\''hi'\\'''\n  before in ← s3://b/p/\n");
  expect(err).toContain('would be submitted');
  expect(exit).toBe(0);
});
