import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { startTestApp } from '../../support/app.ts';
import { spec } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';

const MAIN = join(import.meta.dirname, '../../../client-examples/cli/main.ts');

const app = await startTestApp();
afterAll(() => app.close());

/** A folder on PATH where the program has its name. */
let bin: string;
beforeAll(async () => {
  bin = await mkdtemp(join(tmpdir(), 'kelpie-cli-bin-'));
  await symlink(MAIN, join(bin, 'kelpie-cli'));
});
afterAll(() => rm(bin, { recursive: true, force: true }));

/** Runs a script of a shell in which the program is installed. */
function shell(program: string, args: string[], environment: Record<string, string> = {}) {
  const PATH = [bin, join(process.execPath, '..'), process.env['PATH']].join(delimiter);
  return new Promise<{ code: number | string | null | undefined; out: string; err: string }>((resolve) => {
    execFile(program, args, { env: { PATH, HOME: bin, ...environment } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : error.code, out, err }),
    );
  });
}

describe('the program as a process', () => {
  test('ends with the code that was documented, says why on standard error, and is plain in a pipe', async () => {
    const { viewer, secret } = await app.account();
    for (let n = 0; n < 3; n++) await submit(app.core, viewer, { name: `job-${n}` });
    const at = { KELPIE_API_URL: app.url, KELPIE_API_KEY: secret };
    const listed = await shell('kelpie-cli', ['list'], at);
    expect([listed.code, listed.out.split('\n').length, listed.err]).toEqual([0, 5, '']);
    expect(listed.out).not.toContain('\u001b');
    const refused = await shell('kelpie-cli', ['list'], { ...at, KELPIE_API_KEY: 'wrong' });
    expect([refused.code, refused.out]).toEqual([4, '']);
    expect(refused.err).not.toContain('wrong');
  });

  test('a reader that has had enough is no fault', async () => {
    const { viewer, secret } = await app.account();
    // More than a pipe holds.
    await submitJobs(
      app.core,
      viewer,
      Array.from({ length: 300 }, () => spec({ name: 'n'.repeat(200) })),
    );
    const at = { KELPIE_API_URL: app.url, KELPIE_API_KEY: secret };
    const { out, err } = await shell('sh', ['-c', 'kelpie-cli list --json --limit 300 | head -n 1'], at);
    expect([JSON.parse(out), err]).toEqual([expect.objectContaining({ status: 'PENDING' }), '']);
  });
});

describe('completion', () => {
  const complete = async (...words: string[]) => {
    const { out } = await shell('kelpie-cli', ['complete', '--', ...words]);
    return out.split('\n').map((line) => line.split('\t')[0]);
  };

  test('knows commands, options and what they may be', async () => {
    const [commands, roles, statuses] = await Promise.all([
      complete('re'),
      complete('keys', 'create', '--role', ''),
      complete('list', '--status', 'c'),
    ]);
    expect(commands).toContain('retry');
    expect(commands).not.toContain('list');
    expect(roles).toEqual(expect.arrayContaining(['owner', 'submitter', 'agent', 'viewer']));
    expect(statuses).toEqual(expect.arrayContaining(['completed', 'canceled']));
  });

  test.for(['bash', 'zsh', 'fish'])('the script for %s is taken by it', async (name, { skip }) => {
    const { out, code } = await shell('kelpie-cli', ['completion', name]);
    expect([code, out]).toEqual([0, expect.stringContaining('kelpie-cli') as string]);
    if (spawnSync(name, ['-c', 'true']).error !== undefined) skip(`${name} is not installed`);
    const syntax = spawnSync(name, ['-n'], { input: out, encoding: 'utf8' });
    expect([syntax.status, syntax.stderr]).toEqual([0, '']);
  });

  test('bash completes a command line with it', async () => {
    // Of the package bash-completion, which every bash that completes has.
    const script = `_get_comp_words_by_ref() { cur=\${COMP_WORDS[COMP_CWORD]}; words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
      source <(kelpie-cli completion bash)
      COMP_WORDS=(kelpie-cli wat); COMP_CWORD=1; COMP_LINE='kelpie-cli wat'; COMP_POINT=14
      $(complete -p kelpie-cli | sed -E 's/.*-F ([^ ]+).*/\\1/')
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { out } = await shell('bash', ['-c', script]);
    expect(out.trim()).toMatch(/^watch/);
  });
});
