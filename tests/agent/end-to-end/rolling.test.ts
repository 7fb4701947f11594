import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLink } from '../../chaos/proxy.ts';
import { startServers } from '../../chaos/servers.ts';
import { MASTER_KEY, openTestCore } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';
import { startProgram } from '../../support/program.ts';
import { until } from '../../support/until.ts';

const JOBS = 20;
const AGENT = join(import.meta.dirname, '../../../agent/main.ts');

test('a rolling restart of two servers under twenty running jobs ends no attempt and restarts no job', async ({
  onTestFinished,
}) => {
  const { core, database, account, close } = await openTestCore();
  onTestFinished(close);
  const { viewer } = await account('OWNER', 'herder');
  const { secret } = await account('AGENT', 'herder');
  const folder = await mkdtemp(join(tmpdir(), 'kelpie-rolling-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));

  const deaths: string[] = [];
  const servers = await startServers({
    count: 2,
    directory: folder,
    environment: { DATABASE_URL: database.url, KELPIE_MASTER_KEY: MASTER_KEY },
    onDeath: (what) => deaths.push(what),
  });
  onTestFinished(() => servers.stop());
  let turn = 0;
  const balancer = await openLink(() => servers.ports()[turn++ % Math.max(servers.ports().length, 1)]);
  onTestFinished(() => balancer.close());

  const gate = join(folder, 'gate');
  const starts = join(folder, 'starts');
  execFileSync('mkfifo', [gate]);
  await writeFile(starts, '');
  const script = `echo $KELPIE_JOB_ID >> ${starts}; cat ${gate}`;
  for (let job = 0; job < JOBS; job++) await submit(core, viewer, { command: 'sh', arguments: ['-c', script] });
  for (let machine = 0; machine < JOBS; machine++) {
    const workingDirectory = join(folder, `machine-${machine}`);
    await mkdir(workingDirectory);
    const agent = startProgram(process.execPath, [AGENT], {
      workingDirectory,
      environment: {
        PATH: process.env['PATH'] ?? '',
        TMPDIR: folder,
        KELPIE_API_URL: `http://127.0.0.1:${balancer.port}`,
        KELPIE_API_KEY: secret,
        SALAD_MACHINE_ID: `machine-${machine}`,
        SALAD_CONTAINER_GROUP_ID: 'group',
        SALAD_METADATA_URL: 'none',
      },
    });
    onTestFinished(() => agent.vanish());
  }
  const started = async () => (await readFile(starts, 'utf8')).split('\n').slice(0, -1);
  const attempts = () =>
    database.query<{ number: number; outcome: string | null; status: string }>(
      'select a.number, a.outcome, j.status from attempts a join jobs j on j.id = a.job_id',
    );
  await until('all commands to run', async () => (await started()).length === JOBS, 60_000);
  const connections = () => database.query<{ connection_id: string }>('select connection_id from agents');
  const before = new Set((await connections()).map((row) => row.connection_id));

  await servers.roll();

  await until('every agent to have moved', async () =>
    (await connections()).every((row) => !before.has(row.connection_id)),
  );
  expect(await attempts()).toEqual(
    Array.from({ length: JOBS }, () => ({ number: 1, outcome: null, status: 'RUNNING' })),
  );
  // Whoever reads is let go by the first writer that closes.
  await writeFile(gate, '');
  await until('all jobs to complete', async () => (await attempts()).every(({ status }) => status === 'COMPLETED'));
  expect(await attempts()).toHaveLength(JOBS);
  expect(new Set(await started()).size).toBe(JOBS);
  expect(deaths).toEqual([]);
}, 90_000);
