import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { startTestApp } from '../../support/app.ts';
import { COMPILED } from '../../support/compiled.ts';
import { spec } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';

const BIN = join(import.meta.dirname, '../../../client-examples/cli/kelpie-cli.js');

const app = await startTestApp();
afterAll(() => app.close());

/** A folder on PATH where the program has its name. */
let bin: string;
beforeAll(async () => {
  bin = await mkdtemp(join(tmpdir(), 'kelpie-cli-bin-'));
  await symlink(BIN, join(bin, 'kelpie-cli'));
});
afterAll(() => rm(bin, { recursive: true, force: true }));

/** A shell that waits for what never comes must not outlive its test. */
const ENDS_WITHIN_MS = 25_000;

/** Runs a script of a shell in which the program is installed. */
function shell(program: string, args: string[], environment: Record<string, string> = {}) {
  const PATH = [bin, join(process.execPath, '..'), process.env['PATH']].join(delimiter);
  return new Promise<{ code: number | string | null | undefined; out: string; err: string }>((resolve) => {
    const options = { env: { PATH, HOME: bin, NODE_COMPILE_CACHE: COMPILED, ...environment }, timeout: ENDS_WITHIN_MS };
    execFile(program, args, options, (error, out, err) => resolve({ code: error === null ? 0 : error.code, out, err }));
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

  test('an older Node is told so in a sentence, not by a stack', async () => {
    const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`;
    const { code, out, err } = await shell(process.execPath, [
      '--import',
      `data:text/javascript,${older}`,
      BIN,
      'list',
    ]);
    expect([code, out, err.trim().split('\n').length]).toEqual([2, '', 1]);
    expect(err).toContain('needs Node 24 or newer, and this is 20.20.2');
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
    const [all, commands, roles, statuses, shells] = await Promise.all([
      complete(''),
      complete('re'),
      complete('keys', 'create', '--role', ''),
      complete('list', '--status', 'c'),
      complete('completion', ''),
    ]);
    expect(all).toEqual(expect.arrayContaining(['submit', 'completion']));
    expect(all).not.toContain('complete');
    expect(shells.filter((word) => /^[a-z]/.test(word ?? ''))).toEqual(['bash', 'zsh', 'fish']);
    expect(commands).toContain('retry');
    expect(commands).not.toContain('list');
    expect(roles).toEqual(expect.arrayContaining(['owner', 'submitter', 'agent', 'viewer']));
    expect(statuses).toEqual(expect.arrayContaining(['completed', 'canceled']));
  });

  test.for(Object.entries(COMPLETING))(
    '%s completes a command line with its script',
    async ([name, script], { skip }) => {
      const { out: taken, code } = await shell('kelpie-cli', ['completion', name]);
      expect([code, taken]).toEqual([0, expect.stringContaining('kelpie-cli') as string]);
      if (spawnSync(name, ['-c', 'true']).error !== undefined) skipAloud(skip, `${name} is not installed`);
      const { out, err } = await shell(name, ['-c', script]);
      expect(out, err).toMatch(/kelpie-cli watch|^watch/m);
    },
  );
});

/** What somebody types before they press the tab key, and what the shell makes of it. */
const COMPLETING = {
  // The first line is of the package bash-completion, which every bash that completes has.
  bash: `_get_comp_words_by_ref() { cur=\${COMP_WORDS[COMP_CWORD]}; words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
    source <(kelpie-cli completion bash)
    COMP_WORDS=(kelpie-cli wat); COMP_CWORD=1; COMP_LINE='kelpie-cli wat'; COMP_POINT=14
    $(complete -p kelpie-cli | sed -E 's/.*-F ([^ ]+).*/\\1/')
    printf '%s\\n' "\${COMPREPLY[@]}"`,
  // At a terminal of its own.
  zsh: `zmodload zsh/zpty
    zpty tty zsh -f -i
    zpty -w tty 'PS1=; autoload -U compinit; compinit -u -D; source <(kelpie-cli completion zsh); print ready-$((1+1))'
    zpty -r tty seen '*ready-2*'
    zpty -w -n tty $'kelpie-cli wat\\t'
    zpty -r tty seen '*kelpie-cli watch*'
    print -r -- "$seen"
    zpty -d tty`,
  fish: `kelpie-cli completion fish | source; complete -C 'kelpie-cli wat'`,
};

function skipAloud(skip: (note: string) => never, why: string): never {
  process.stderr.write(`Skipped: completion: ${why}\n`);
  return skip(why);
}
