import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiKeyRole } from '../../../db/entities/api-key.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { freePort, listenLocally } from '../../../lib/port.ts';
import { startTestApp } from '../../support/app.ts';
import { claim, endings, submit, tryClaim } from '../../support/jobs.ts';
import { jsonOf, ran, type Ran } from './support.ts';

const app = await startTestApp();
afterAll(() => app.close());

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'kelpie-cli-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Somebody at a shell, with an account of their own. */
async function person(role: ApiKeyRole = 'OWNER') {
  const { viewer, secret } = await app.account(role);
  const environment = { KELPIE_API_URL: app.url, KELPIE_API_KEY: secret };
  return { viewer, secret, environment, cli: (...words: string[]): Promise<Ran> => ran(words, { environment }) };
}

describe('submit', () => {
  test('prints the ids of the jobs, in order', async () => {
    const { cli } = await person();
    const { exit, lines, err } = await cli('submit', '--group', 'g', '--name', 'mine', '--', 'python', '-V');
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    const [job] = jsonOf(await cli('get', lines[0]!, '--json'));
    expect(job).toMatchObject({ id: lines[0], name: 'mine', command: 'python', arguments: ['-V'], status: 'PENDING' });
  });

  test('stores a sweep of more jobs than a batch has, in the order of its rows', async () => {
    const { cli, viewer } = await person();
    const csv = join(home, 'long.csv');
    await writeFile(csv, ['seed', ...Array.from({ length: 1_001 }, (_, n) => String(n))].join('\n'));
    const { lines, exit } = await cli('submit', '--csv', csv, '--group', 'long', '--', 'run', '{{seed}}');
    expect([exit, new Set(lines).size]).toEqual([0, 1_001]);
    const first = await claim(app.core, viewer, 'm', 'long');
    expect([first.id, first.arguments]).toEqual([lines[0], ['0']]);
  });

  test('adds nothing when it is said again with the same key', async () => {
    const { cli } = await person();
    const csv = join(home, 'short.csv');
    await writeFile(csv, 'seed\n1\n2\n');
    const words = ['submit', '--csv', csv, '--group', 'g', '--idempotency-key', 'once', '--', 'run', '{{seed}}'];
    const [first, second] = [await cli(...words), await cli(...words)];
    expect(second.lines).toEqual(first.lines);
    const other = await cli('submit', '--csv', csv, '--group', 'other', '--idempotency-key', 'once', '--', 'run');
    expect([other.exit, other.out]).toEqual([6, '']);
  });

  test('says what the server has against a job, and where', async () => {
    const { cli } = await person();
    const { exit, err } = await cli('submit', '--group', 'g', '--priority', '101', '--', 'true');
    expect([exit, err]).toEqual([2, '--priority: Expected at most 100, got 101\n']);
    const path = join(home, 'two.yaml');
    const job = { command: 'true', containerGroupId: 'g' };
    await writeFile(path, JSON.stringify([job, { ...job, priority: 101 }]));
    const ofFile = await cli('submit', '--file', path);
    expect([ofFile.exit, ofFile.err]).toEqual([2, 'job 2: priority: Expected at most 100, got 101\n']);
  });
});

describe('list and get', () => {
  test('list shows the jobs of a filter, and says how many there are', async () => {
    const { cli, viewer } = await person();
    for (const [group, seed] of ['a', 'a', 'b'].entries()) {
      await submit(app.core, viewer, { containerGroupId: seed, name: `job-${group}`, labels: { n: String(group) } });
    }
    const { id } = await claim(app.core, viewer, 'm', 'b');
    const names = async (...words: string[]) => jsonOf(await cli('list', '--json', ...words)).map(({ name }) => name);
    expect(await names()).toEqual(['job-2', 'job-1', 'job-0']);
    expect(await names('--oldest', '--limit', '1')).toEqual(['job-0']);
    expect(await names('--group', 'a')).toEqual(['job-1', 'job-0']);
    expect(await names('--label', 'n=1')).toEqual(['job-1']);
    expect(await names('--status', 'running', '--status', 'failed')).toEqual(['job-2']);
    expect(await names('--machine', 'm')).toEqual(['job-2']);
    expect(await names('--search', 'JOB-1')).toEqual(['job-1']);
    const { out, err } = await cli('list', '--limit', '2');
    expect(out).toMatch(new RegExp(`^id .*\n${id} +job-2 +running +b +1 on m `));
    expect(err).toBe('2 of 3; --limit shows more\n');
  });

  test.for([
    [['list', '--status', 'lost'], '--status: expected one of pending, running'],
    [['list', '--limit', '0'], '--limit: expected a whole number of at least 1, got "0"'],
    [['agents', '--limit', '0'], '--limit: expected a whole number of at least 1'],
    [['rules', 'set', 'g', '--max', '501'], '--max: Expected at most 500, got 501'],
    [['completion', 'powershell'], 'Allowed choices are bash, zsh, fish'],
    [['logs', 'x', '--tail', 'x'], '--tail: expected a whole number, got "x"'],
    [['watch'], 'Expected the ids of jobs, or else --group or --label'],
    [
      ['watch', 'x', '--timeout', 'soon'],
      '--timeout: expected a number of seconds above 0, at most 2147483, got "soon"',
    ],
    [['watch', 'x', '--timeout', '0'], '--timeout: expected a number of seconds above 0'],
    [['keys', 'create', '--role', 'king'], '--role: expected one of owner, submitter, agent, viewer, got "king"'],
    [['rules', 'set', 'g'], 'Expected --min, --max or --idle'],
    [['lits'], "unknown command 'lits'"],
  ] as const)('%j is refused as "%s"', async ([words, fault]) => {
    const { cli } = await person();
    const { exit, err, out } = await cli(...words);
    expect(err).toContain(fault);
    expect([exit, out]).toEqual([2, '']);
  });

  test('get shows how each attempt ended', async () => {
    const { cli, viewer } = await person();
    const { id } = await submit(app.core, viewer, { name: 'tried' });
    await finishAttempt(app.core, viewer, (await claim(app.core, viewer, 'm1')).lease, endings.failed);
    await claim(app.core, viewer, 'm2');
    const { out } = await cli('get', id);
    expect(out).toMatch(/^status +running$/m);
    expect(out).toMatch(/^1 +m1 +\S+ +failed \(exit code 1\) +exit code 1$/m);
    expect(out).toMatch(/^2 +m2 +\S+ +begins …$/m);
  });

  test('what a job is called can not move a terminal’s cursor', async () => {
    const { cli, viewer } = await person();
    await submit(app.core, viewer, { name: 'a\u001b[2Jb\u0007\nc' });
    const { out } = await cli('list');
    expect(out).toContain(' ab c ');
    expect(out).not.toMatch(/[\u0007\u001b]/);
  });

  test('what an agent has said ended a command can not either, said as text or as JSON', async () => {
    const { cli, viewer } = await person();
    const { id } = await submit(app.core, viewer);
    await finishAttempt(app.core, viewer, (await claim(app.core, viewer)).lease, endings.failed);
    // As older servers took it.
    const signal = '\u009b31m\u202e';
    await app.database.query('update attempts set signal = $2 where job_id = $1', [id, signal]);
    expect((await cli('get', id)).out).not.toMatch(/[\u0080-\u009f\u202e]/);
    const json = await cli('get', id, '--json');
    expect(json.out).not.toMatch(/[\u0080-\u009f\u202e]/);
    expect(jsonOf(json)).toMatchObject([{ attempts: { nodes: [{ signal }] } }]);
  });

  test('another account’s job is not there', async () => {
    const { cli } = await person();
    const { viewer } = await app.account();
    const { id } = await submit(app.core, viewer);
    const [theirs, none] = [await cli('get', id), await cli('get', randomUUID())];
    expect([theirs.exit, none.exit]).toEqual([6, 6]);
    expect(theirs.err.replace(id, '')).toBe(none.err.replace(/[0-9a-f-]{36}/, ''));
  });
});

describe('cancel and retry', () => {
  test('change the jobs named, one that is refused among them, and end with 6 then', async () => {
    const { cli, viewer } = await person();
    const [one, done, two] = [
      await submit(app.core, viewer),
      await submit(app.core, viewer, { priority: 1 }),
      await submit(app.core, viewer),
    ];
    await finishAttempt(app.core, viewer, (await claim(app.core, viewer)).lease, endings.completed);
    const canceled = await cli('cancel', one.id, done.id, two.id);
    expect(canceled.lines).toEqual([`${one.id} canceled`, `${two.id} canceled`]);
    expect([canceled.exit, canceled.err]).toEqual([6, expect.stringContaining(done.id) as string]);
    const retried = await cli('retry', one.id, '--json');
    expect([retried.exit, jsonOf(retried)]).toEqual([0, [expect.objectContaining({ id: one.id, status: 'PENDING' })]]);
  });

  test('a label cancels all that has it', async () => {
    const { cli, viewer } = await person();
    for (const sweep of ['1', '1', '2']) await submit(app.core, viewer, { labels: { sweep } });
    expect(await cli('cancel', '--label', 'sweep=1')).toMatchObject({ exit: 0, out: '2 canceled\n' });
    expect(await tryClaim(app.core, viewer, 'm')).toBeDefined();
    expect(await tryClaim(app.core, viewer, 'm')).toBeUndefined();
  });
});

describe('lift-ban', () => {
  test('lets machines have a job again: those named, then all that are left', async () => {
    const { cli, viewer } = await person();
    const { id } = await submit(app.core, viewer, { maxFailures: 9 });
    for (const machine of ['m1', 'm2', 'm3']) {
      await finishAttempt(app.core, viewer, (await claim(app.core, viewer, machine)).lease, endings.failed);
    }
    expect(await cli('lift-ban', id, 'm2', 'm9')).toMatchObject({
      exit: 0,
      lines: [`${id} m2 may have it again`, `${id} m9 was not banned`],
    });
    expect(await tryClaim(app.core, viewer, 'm1')).toBeUndefined();
    const { lease } = await claim(app.core, viewer, 'm2');
    await finishAttempt(app.core, viewer, lease, endings.released);
    const all = jsonOf(await cli('lift-ban', id, '--json'));
    expect(all).toEqual(['m1', 'm3'].map((machineId) => ({ jobId: id, machineId, wasBanned: true })));
    expect(await cli('lift-ban', id)).toMatchObject({ exit: 0, out: '', err: 'No machine is banned from this job.\n' });
    expect(await cli('lift-ban', randomUUID())).toMatchObject({ exit: 6, out: '' });
  });
});

describe('agents, rules and keys', () => {
  test('agents shows who works, and on what', async () => {
    const { cli, secret, viewer } = await person();
    await submit(app.core, viewer, { name: 'work', containerGroupId: 'farm' });
    await app.rest(secret, 'GET', '/work?machine_id=poller&container_group_id=farm');
    expect((await cli('agents')).lines.at(-1)).toMatch(/^poller +farm +busy +\d+ s ago +work$/);
    expect(jsonOf(await cli('agents', '--json', '--group', 'farm'))).toMatchObject([
      { machineId: 'poller', state: 'BUSY' },
    ]);
    expect(await cli('agents', '--group', 'other')).toMatchObject({ out: '', err: 'No agents.\n', exit: 0 });
  });

  test('rules are made, changed, listed and removed', async () => {
    const { cli } = await person();
    expect((await cli('rules', 'set', 'farm', '--max', '7')).lines.at(-1)).toMatch(/^farm +0 +7 +300 s/);
    expect((await cli('rules', 'set', 'farm', '--min', '2')).lines.at(-1)).toMatch(/^farm +2 +7 +300 s/);
    expect(jsonOf(await cli('rules', '--json'))).toMatchObject([{ containerGroupId: 'farm', minReplicas: 2 }]);
    expect(await cli('rules', 'set', 'farm', '--min', '9')).toMatchObject({ exit: 2 });
    expect((await cli('rules', 'delete', 'farm')).exit).toBe(0);
    expect(await cli('rules', 'delete', 'farm')).toMatchObject({ exit: 6, out: '' });
  });

  test('a key that is made works until it is revoked, and its secret alone is on standard output', async () => {
    const { cli } = await person();
    // As the API and its documents have it; in small letters it is asked for elsewhere.
    const made = await cli('keys', 'create', '--role', 'VIEWER', '--name', 'dashboard');
    const environment = { KELPIE_API_URL: app.url, KELPIE_API_KEY: made.out.trim() };
    expect((await ran(['list'], { environment })).exit).toBe(0);
    const refused = await ran(['submit', '--group', 'g', '--', 'true'], { environment });
    expect([refused.exit, refused.err]).toEqual([4, expect.stringContaining('VIEWER') as string]);
    const [key] = jsonOf(await cli('keys', 'list', '--json')).filter(({ name }) => name === 'dashboard');
    expect(key).not.toHaveProperty('secret');
    expect((await cli('keys')).lines.filter((line) => line.endsWith('this one'))).toHaveLength(1);
    expect((await cli('keys', 'revoke', String(key!.id))).exit).toBe(0);
    expect((await ran(['list'], { environment })).exit).toBe(4);
  });
});

describe('where the server is, and the key', () => {
  test('login keeps them for their owner alone, and every other command finds them', async () => {
    const { secret } = await person();
    const at = { home, stdin: `${secret}\n` };
    const { exit, out } = await ran(['login', app.url], at);
    const path = join(home, '.config/kelpie/config.json');
    expect([exit, out]).toEqual([0, expect.stringMatching(`^OWNER of account .* kept in ${path}\n$`) as string]);
    expect(out).not.toContain(secret);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ url: app.url, key: secret });
    expect((await ran(['list'], { home })).exit).toBe(0);

    await chmod(path, 0o644);
    const open = await ran(['list'], { home });
    expect([open.exit, open.err]).toEqual([
      2,
      `${path} has your key, and its mode is 644: expected 600. Run: chmod 600 ${path}\n`,
    ]);
    await chmod(path, 0o600);

    // The stored key is not shown to whoever is named by the environment.
    const elsewhere = await ran(['list'], { home, environment: { KELPIE_API_URL: 'http://127.0.0.1:1' } });
    expect([elsewhere.exit, elsewhere.err]).toEqual([2, expect.stringContaining('The stored key is for') as string]);
    expect(jsonOf(await ran(['logout', '--json'], { home }))).toMatchObject([{ removed: true }]);
    expect((await ran(['logout'], { home })).out).toMatch(/^No key was kept: there is no .*config\.json\.\n$/);
    expect(await ran(['list'], { home })).toMatchObject({
      exit: 2,
      err: expect.stringContaining('is not set') as string,
    });
  });

  test('XDG_CONFIG_HOME moves the file, and a key that the server does not know is not kept', async () => {
    const { secret } = await person();
    const environment = { XDG_CONFIG_HOME: join(home, 'xdg') };
    expect((await ran(['login', app.url], { environment, stdin: 'wrong' })).exit).toBe(4);
    await expect(stat(join(home, 'xdg/kelpie'))).rejects.toThrow('ENOENT');
    expect((await ran(['login', app.url], { environment, stdin: secret })).exit).toBe(0);
    expect((await ran(['list'], { environment })).exit).toBe(0);
  });

  test.for([
    ['ftp://kelpie.example', 'expected a host or an http or https URL'],
    ['https://me:secret@kelpie.example', 'without user, password'],
    ['http://', 'expected a host or an http or https URL'],
  ])('the address %s is refused without being repeated', async ([address, fault]) => {
    const { exit, err } = await ran(['list'], { environment: { KELPIE_API_URL: address!, KELPIE_API_KEY: 'k' } });
    expect([exit, err]).toEqual([2, expect.stringContaining(fault!) as string]);
    expect(err).not.toContain('secret');
  });

  test('nobody there, somebody else there, and a wrong key are all told, and end with 4', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const other = createServer((_, response) => response.writeHead(404).end('<h1>not here</h1>'));
    const sender = createServer((_, response) => response.writeHead(307, { Location: app.url }).end());
    const at = async (server: typeof other) => `http://127.0.0.1:${await listenLocally(server)}`;
    const told = async (url: string) => {
      const { exit, err } = await ran(['list'], { environment: { KELPIE_API_URL: url, KELPIE_API_KEY: 'wrong' } });
      return [exit, err.trim()];
    };
    expect(await told(nobody)).toEqual([4, expect.stringContaining('does not answer (ECONNREFUSED)')]);
    expect(await told(await at(other))).toEqual([
      4,
      expect.stringContaining('expected a Kelpie server, got the answer 404'),
    ]);
    // The key would go along.
    expect(await told(await at(sender))).toEqual([4, expect.stringContaining('redirect')]);
    expect(await told(app.url)).toEqual([4, expect.stringContaining('Check KELPIE_API_KEY')]);
    for (const server of [other, sender]) server.close();
  });
});
