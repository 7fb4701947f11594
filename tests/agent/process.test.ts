import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CommandNotStarted, type RunningCommand, startCommand } from '../../agent/process.ts';
import type { Death } from '../../agent/sync/suspicion.ts';

const never = new AbortController().signal;
const DEATH = { from: expect.any(Number) as number, until: expect.any(Number) as number };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-process-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Starts `script` under a shell. `line` resolves when the command's stdout has said that text. */
async function shell(
  script: string,
  environment: Record<string, string> = {},
  onDanger: (dangers: readonly Death[]) => void = () => undefined,
) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const said = listen(stdout);
  const saidInError = listen(stderr);
  const command = await startCommand({
    command: 'sh',
    arguments: ['-c', script],
    environment: { PATH: process.env['PATH'] ?? '', ...environment },
    workingDirectory: folder,
    killWaitMs: 30_000,
    lookWithinMs: 600_000,
    stdout,
    stderr,
    onDanger,
  });
  return { command, said, saidInError };
}

function listen(stream: PassThrough) {
  let all = '';
  stream.on('data', (chunk: Buffer) => (all += chunk.toString()));
  return {
    all: () => all,
    async match(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const match = pattern.exec(all);
        if (match) return match;
        await new Promise((resolve) => stream.once('data', resolve));
      }
    },
  };
}

/** A process that has ended stays visible as a zombie until its parent takes notice, which is not ours to wait for. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  await expect.poll(() => isRunning(pid), { interval: 10, timeout: 5000 }).toBe(false);
}

function stop(command: RunningCommand, graceMs: number, hurry: AbortSignal = never) {
  return command.stop({ signal: 'SIGTERM', graceMs, publishes: true, hurry });
}

describe('a command', () => {
  test('reports its exit code and passes its output on', async () => {
    const { command, said, saidInError } = await shell('echo out; echo err >&2; exit 3');
    expect(await command.exited).toEqual({ exitCode: 3, signal: null, deaths: [], stderrTail: ['err'] });
    expect(said.all()).toBe('out\n');
    expect(saidInError.all()).toBe('err\n');
  });

  test('runs with exactly the environment and in the directory it is given', async () => {
    const { command, said } = await shell('pwd; echo "$GREETING:$HOME"', { GREETING: 'hello' });
    await command.exited;
    expect(said.all()).toBe(`${folder}\nhello:\n`);
  });

  test('that dies of a signal reports the signal', async () => {
    const { command } = await shell('kill -9 $$');
    const began = Date.now();
    expect(await command.exited).toMatchObject({ exitCode: null, signal: 'SIGKILL' });
    const [death] = (await command.exited).deaths;
    expect(death?.from).toBeGreaterThanOrEqual(began - 1000);
  });

  test.each([
    [`sh -c 'kill -9 $$'; exit $?`, true],
    [`sh -c 'kill -SEGV $$'; exit $?`, true],
    ['kill -TERM $$', true],
    ['trap "exit 143" TERM; kill -TERM $$', false],
    ['exit 130', false],
    ['exit 255', false],
    ['exit 1', false],
    ['exit 0', false],
    // What is left of one that failed was perhaps at work; what is left of one that succeeded was not.
    ['sleep 300 & exit 1', true],
    ['sleep 300 & exit 0', false],
  ])(
    'says when it was killed, also by a shell’s code, and not when it ended by itself: %s',
    async (script, isKilled) => {
      const { deaths } = await (await shell(script)).command.exited;
      expect(deaths.length > 0).toBe(isKilled);
    },
  );

  test('keeps the last twenty lines of stderr, the unfinished one included', async () => {
    const { command } = await shell('i=0; while [ $i -lt 50 ]; do echo line $i >&2; i=$((i+1)); done; printf end >&2');
    const { stderrTail } = await command.exited;
    expect(stderrTail).toHaveLength(20);
    expect(stderrTail[0]).toBe('line 31');
    expect(stderrTail.at(-1)).toBe('end');
  });

  test('passes on a large output whole to a slow reader', async () => {
    const slow = new PassThrough({ highWaterMark: 1024 });
    const command = await startCommand({
      command: 'head',
      arguments: ['-c', '3000000', '/dev/zero'],
      environment: { PATH: process.env['PATH'] ?? '' },
      workingDirectory: folder,
      killWaitMs: 30_000,
      stdout: slow,
      stderr: new PassThrough(),
    });
    const whole = text(slow);
    await command.exited;
    slow.end();
    expect(await whole).toHaveLength(3_000_000);
  });

  test('goes on when nobody reads its output any more', async () => {
    const broken = new PassThrough({ highWaterMark: 16 });
    broken.on('error', () => undefined);
    const command = await startCommand({
      command: 'sh',
      arguments: ['-c', 'head -c 1000000 /dev/zero; exit 4'],
      environment: { PATH: process.env['PATH'] ?? '' },
      workingDirectory: folder,
      killWaitMs: 30_000,
      stdout: broken,
      stderr: new PassThrough(),
    });
    broken.once('data', () => broken.destroy(new Error('EPIPE')));
    expect(await command.exited).toMatchObject({ exitCode: 4 });
  });
});

describe('what the command leaves behind', () => {
  test('is killed when the command ends', async () => {
    const { command, said } = await shell('sleep 300 & echo $!; exit 0');
    expect(await command.exited).toMatchObject({ exitCode: 0 });
    await gone(Number(said.all()));
  });

  test('does not hold up the end when it has left the group with the pipes open', async () => {
    const { command, said } = await shell(
      `setsid sh -c 'echo $$; touch left; exec sleep 300' & until [ -e left ]; do sleep 0.01; done`,
    );
    expect(await command.exited).toMatchObject({ exitCode: 0 });
    const pid = Number(said.all());
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });
});

describe('stopping a command', () => {
  test('reaches the whole group', async () => {
    const { command, said } = await shell('sleep 300 & echo pid $!; wait');
    const [, child] = await said.match(/pid (\d+)/);
    expect(await stop(command, 20_000)).toMatchObject({ signal: 'SIGTERM' });
    await gone(Number(child));
  });

  test('lets it end by itself within the grace', async () => {
    const { command, said } = await shell('trap "echo saved; exit 0" TERM; echo ready; while :; do sleep 0.02; done');
    await said.match(/ready/);
    const exit = await stop(command, 20_000);
    expect(exit).toMatchObject({ exitCode: 0 });
    expect(exit.deaths).toEqual([]);
    expect(said.all()).toContain('saved');
  });

  test('grants the grace to a program whose shell has died at once', async () => {
    const { command, said } = await shell(
      `sh -c 'trap "sleep 0.3; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.02; done'; true`,
    );
    await said.match(/ready/);
    const { deaths } = await stop(command, 20_000);
    expect(said.all()).toContain('saved');
    // The shell died, but wrote nothing itself; somebody may have begun to in the moment of the signal.
    expect(deaths).toEqual([{ ...DEATH, begun: { since: expect.any(Number) as number, mayBeHeirs: true } }]);
  });

  test('grants the grace also where others have sent the signal to the whole group, and the shell is dead at once', async () => {
    const { command, said } = await shell(
      `sh -c 'trap "sleep 0.3; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.02; done'; true`,
    );
    await said.match(/ready/);
    const stopped = stop(command, 20_000);
    process.kill(-command.pid, 'SIGTERM');
    await stopped;
    expect(said.all()).toContain('saved');
  });

  test('does not look who is writing where nobody wants what was written', async () => {
    const { command, said } = await shell('echo ready; exec sleep 300');
    await said.match(/ready/);
    const stopped = command.stop({ signal: 'SIGTERM', graceMs: 20_000, publishes: false, hurry: never });
    expect((await stopped).deaths).toEqual([DEATH]);
  });

  test('takes nobody for an heir where nobody has a handler', async () => {
    const { command, said } = await shell('echo ready; exec sleep 300');
    await said.match(/ready/);
    const { deaths } = await stop(command, 20_000);
    expect(deaths).toEqual([{ ...DEATH, begun: { since: expect.any(Number) as number, mayBeHeirs: false } }]);
  });

  test.each([
    ['exit 143', ' > written', true],
    ['exit 143', '', false],
    ['exit 143', ' < .', false],
    ['exit 0', ' > written', false],
    ['exit 1', ' > written', false],
    ['exit 130', ' > written', false],
  ])(
    'knows who was writing without a handler to have died when it was sent: %s, sleep%s',
    async (exit, open, hasDied) => {
      const writer = `sh -c 'echo ready >&2; exec sleep 300'${open}`;
      const { command, saidInError } = await shell(`trap "sleep 0.2; ${exit}" TERM; ${writer} & wait`);
      await saidInError.match(/ready/);
      const { deaths } = await stop(command, 20_000);
      const sure = deaths.filter(({ begun }) => begun === undefined);
      expect(sure).toHaveLength(hasDied ? 1 : 0);
      if (hasDied) expect(Date.now() - (sure[0]?.until ?? Infinity)).toBeGreaterThanOrEqual(150);
    },
  );

  test('tells of each danger at once: whom it asks may die, and whom it kills does', async () => {
    const told: (readonly Death[])[] = [];
    const { command, said } = await shell(
      'trap "" TERM; echo ready; while :; do sleep 0.02; done',
      {},
      (dangers) => void told.push(dangers),
    );
    await said.match(/ready/);
    await stop(command, 100);
    const open = told.map((dangers) => dangers.map(({ until }) => until === Infinity));
    // While it is looked who writes others may send the signal; then it was sent; then everything is killed.
    expect(open.slice(0, 3)).toEqual([[true], [false], [false, true]]);
  });

  test('kills what ignores the signal after the grace', async () => {
    const { command, said } = await shell('trap "" TERM; echo ready; while :; do sleep 0.02; done');
    await said.match(/ready/);
    const before = performance.now();
    const { signal, deaths } = await stop(command, 150);
    expect(signal).toBe('SIGKILL');
    // The first is of those that the polite signal may have ended.
    const [, leader, all] = deaths;
    expect(deaths).toHaveLength(3);
    expect(all?.from).toBe(leader?.from);
    expect(performance.now() - before).toBeGreaterThanOrEqual(149);
  });

  test('kills at once when the hurry begins during the grace', async () => {
    const { command, said } = await shell('trap "echo asked" TERM; echo ready; while :; do sleep 0.02; done');
    await said.match(/ready/);
    const hurry = new AbortController();
    const stopped = stop(command, 600_000, hurry.signal);
    await said.match(/asked/);
    hurry.abort();
    expect(await stopped).toMatchObject({ signal: 'SIGKILL' });
  });

  test('can do without asking it', async () => {
    const { command, said } = await shell('trap "echo asked" TERM; sleep 60 & echo "child $!"; wait');
    const child = Number((await said.match(/child (\d+)/))[1]);
    expect(await command.kill()).toMatchObject({ signal: 'SIGKILL' });
    await gone(child);
    expect(said.all()).not.toContain('asked');
  });

  test('that has already ended changes nothing', async () => {
    const { command } = await shell('exit 5');
    await command.exited;
    expect(await stop(command, 1000)).toMatchObject({ exitCode: 5 });
  });
});

describe('a command that cannot be started', () => {
  const start = (command: string, args: string[] = [], workingDirectory = folder) =>
    startCommand({
      command,
      arguments: args,
      environment: { PATH: '/nowhere:/neither/here' },
      workingDirectory,
      killWaitMs: 30_000,
      stdout: new PassThrough(),
      stderr: new PassThrough(),
    }).then(
      () => expect.fail('it started'),
      (error: unknown) => error,
    );

  test('is named with the PATH that was searched', async () => {
    const error = await start('no-such-program');
    expect(error).toBeInstanceOf(CommandNotStarted);
    expect(error).toMatchObject({ fault: 'COMMAND' });
    expect(String(error)).toMatch(/"no-such-program".*PATH=\/nowhere:\/neither\/here/);
  });

  test('is told apart when its interpreter is missing', async () => {
    await writeFile(join(folder, 'script'), '#!/no/such/interpreter\n', { mode: 0o755 });
    expect(String(await start('./script'))).toMatch(/interpreter.*start at/);
  });

  test('says that a file may not be executed', async () => {
    await writeFile(join(folder, 'data'), 'not a program', { mode: 0o644 });
    expect(String(await start('./data'))).toMatch(/"\.\/data".*permission denied.*chmod/);
  });

  test('is the machine’s fault when the working directory has vanished', async () => {
    const error = await start('/bin/true', [], join(folder, 'vanished'));
    expect(error).toMatchObject({ fault: 'MACHINE' });
    expect(String(error)).toMatch(/working directory.*cannot be entered.*vanished/);
    await writeFile(join(folder, 'a-file'), '');
    expect(await start('/bin/true', [], join(folder, 'a-file'))).toMatchObject({ fault: 'MACHINE' });
  });

  test('is the job’s fault when its arguments are impossible', async () => {
    expect(await start('sh', ['a\0b'])).toMatchObject({ fault: 'COMMAND' });
  });
});
