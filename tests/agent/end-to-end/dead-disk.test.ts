import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { scenarios } from '../../support/fleet.ts';
import { startMetadataService } from '../../support/metadata-service.ts';
import { canOrMust } from '../../support/podman.ts';
import { besideDeadDisk, besideDiskThatDies, canHaveDeadDisk, DEADEN, DIED } from '../support/dead-disk.ts';

const scenario = scenarios().runIf(canOrMust(canHaveDeadDisk(), 'a disk that does not answer'));

// Only some of them run at once, so what takes longest comes first.
scenario.concurrent(
  'an agent whose disk does not answer takes work, and when it is told to stop gives the job back and ends',
  async ({ scene }) => {
    const environment = {
      KELPIE_SHUTDOWN_GRACE_S: '0',
      KELPIE_UPLOAD_GRACE_S: '0',
      KELPIE_KILL_GRACE_S: '0',
    };
    const agent = await scene.agent('stuck', environment, { under: besideDeadDisk('dead') });
    const job = await scene.submit({ script: 'exit 0', during: ['dead'] });
    await job.until(({ status }) => status === 'RUNNING');
    agent.signalAll('SIGTERM');
    const state = await job.until(({ numInterruptions }) => numInterruptions === 1);
    expect(state).toMatchObject({ status: 'PENDING', numFailures: 0, numSyncFailures: 0 });
    await agent.said('A disk does not answer this process');
    // As a shell tells of SIGKILL.
    expect(await agent.ended).toEqual({ code: 137, signal: null });
  },
);

scenario.concurrent('a job that is canceled keeps no agent whose upload hangs on a disk', async ({ scene }) => {
  const patience = { KELPIE_KILL_GRACE_S: '0', KELPIE_KILL_WAIT_S: '1', KELPIE_DISK_WAIT_S: '3' };
  const agent = await scene.agent('stuck', patience, { under: ['unshare', '--mount'] });
  const over = scene.gate('over');
  const job = await scene.submit({ script: `${DEADEN} out '${over.script}'`, after: ['out'] });
  await job.until(({ attempts }) => attempts.nodes[0]?.phase === 'UPLOADING');
  await scene.cancel(job);
  await agent.said('What the attempt is at does not end in time');
  expect(await agent.ended).toEqual({ code: null, signal: 'SIGKILL' });
  expect(await job.end()).toMatchObject({ status: 'CANCELED', attempts: { nodes: [{ outcome: 'CANCELED' }] } });
});

scenario.concurrent(
  'a command whose disk answers no more while it runs is killed, and its job is free for others',
  async ({ scene, onTestFinished }) => {
    const salad = await startMetadataService();
    onTestFinished(() => salad.close());
    const environment = { KELPIE_DISK_WAIT_S: '1', SALAD_METADATA_URL: salad.url };
    const agent = await scene.agent('stuck', environment, { under: ['unshare', '--mount'] });
    const over = scene.gate('over');
    const script = `echo good > out/a; ${DEADEN} out/dead '${over.script}'; echo dead; sleep 1000`;
    const job = await scene.submit({ script: `mkdir out/dead; ${script}`, during: ['out'] });
    const state = await job.until(({ numSyncFailures }) => numSyncFailures === 1);
    expect(state).toMatchObject({ status: 'PENDING', numFailures: 0, numInterruptions: 0 });
    expect(state.attempts.nodes[0]?.reason).toMatch(/^the disk of \/.*\/out\/dead has not answered for 5 s$/);
    await agent.ended;
    expect(salad.reallocations()).toEqual([expect.stringMatching(/\/out\/dead/)]);
  },
);

scenario.concurrent('a job whose results lie on a disk that answers no more is free for others', async ({ scene }) => {
  const agent = await scene.agent('stuck', { KELPIE_DISK_WAIT_S: '1' }, { under: ['unshare', '--mount'] });
  const over = scene.gate('over');
  const job = await scene.submit({ script: `mkdir out/dead; ${DEADEN} out/dead '${over.script}'`, after: ['out'] });
  const state = await job.until(({ numSyncFailures }) => numSyncFailures === 1);
  expect(state).toMatchObject({ status: 'PENDING', numFailures: 0 });
  expect(state.attempts.nodes[0]?.reason).toMatch(/^the disk of \/.*\/out\/dead has not answered for 5 s$/);
  await agent.ended;
});

scenario.concurrent('a download to what does not answer frees its job for others', async ({ scene }) => {
  const agent = await scene.agent('stuck', { KELPIE_DISK_WAIT_S: '1' }, { under: besideDeadDisk('data/dead') });
  await scene.put('data/dead/a', 'hay');
  const job = await scene.submit({ script: 'exit 0', before: ['data'] });
  const state = await job.until(({ numSyncFailures }) => numSyncFailures === 1);
  expect(state.attempts.nodes[0]?.reason).toMatch(/^the disk of \/.*\/data\/dead has not answered for 5 s$/);
  await agent.ended;
});

scenario.concurrent(
  'a download whose disk answers no more after the first bytes frees its job for others',
  async ({ scene }) => {
    const [dies, over] = [scene.gate('dies'), scene.gate('over')];
    const under = besideDiskThatDies('data/deep', dies.script, over.script);
    const agent = await scene.agent('stuck', { KELPIE_DISK_WAIT_S: '1' }, { under });
    await scene.put('data/deep/a', 'hay');
    const brought = scene.hold(({ method, key }) => method === 'GET' && key.endsWith('data/deep/a'));
    const job = await scene.submit({ script: 'exit 0', before: ['data'] });
    // The file is there by then, and is written where it is; only its name is asked of the dead disk.
    await brought.arrived;
    await dies.open();
    await agent.said(DIED);
    brought.release();
    const state = await job.until(({ numSyncFailures }) => numSyncFailures === 1);
    expect(state).toMatchObject({ status: 'PENDING', numFailures: 0 });
    expect(state.attempts.nodes[0]?.reason).toMatch(/^the disk of \/.*\/data\/deep has not answered for 5 s$/);
    expect(await agent.ended).toEqual({ code: null, signal: 'SIGKILL' });
  },
);

scenario.concurrent('a job below whose directory something does not answer is free for others', async ({ scene }) => {
  const agent = await scene.agent('stuck', { KELPIE_DISK_WAIT_S: '1' }, { under: besideDeadDisk('data/dead') });
  const job = await scene.submit({ script: 'exit 0', during: ['data'] });
  const state = await job.until(({ numSyncFailures }) => numSyncFailures === 1);
  expect(state).toMatchObject({ status: 'PENDING', numFailures: 0, attempts: { nodes: [{ number: 1 }] } });
  expect(state.attempts.nodes[0]?.reason).toMatch(/^the disk of .* has not answered for 5 s$/);
  expect(await agent.ended).toEqual({ code: 137, signal: null });
});

scenario.concurrent(
  'a job whose directory does not answer is free for others, and its agent ends',
  async ({ scene }) => {
    const agent = await scene.agent('stuck', { KELPIE_DISK_WAIT_S: '3' }, { under: besideDeadDisk('dead') });
    const job = await scene.submit({ script: 'exit 0', during: ['dead'] });
    const state = await job.until(({ numSyncFailures }) => numSyncFailures === 1);
    expect(state).toMatchObject({ status: 'PENDING', numFailures: 0, attempts: { nodes: [{ number: 1 }] } });
    expect(state.attempts.nodes[0]?.reason).toMatch(/^the disk of \/.*\/dead has not answered for 3 s$/);
    // As a shell tells of SIGKILL.
    expect(await agent.ended).toEqual({ code: 137, signal: null });
  },
);

scenario.concurrent(
  'a job is done although neither the temporary directory answers nor the place of the state file',
  async ({ scene }) => {
    const environment = { TMPDIR: 'dead', KELPIE_STATE_FILE: 'dead/folder/state.json' };
    const agent = await scene.agent('stuck', environment, { under: besideDeadDisk('dead') });
    await agent.said('nobody is told what this agent does');
    const jobs = [await scene.submit({ script: 'exit 0' }), await scene.submit({ script: 'exit 0' })];
    for (const job of jobs) expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
    agent.signalAll('SIGTERM');
    expect(await agent.ended).toEqual({ code: 137, signal: null });
    expect(agent.lines.filter((line) => line.includes('this job cannot report progress'))).toHaveLength(2);
  },
);

scenario.concurrent(
  'an agent that cannot empty a directory, as its disk answers no more, leaves it marked, and its machine for another one',
  async ({ scene, onTestFinished }) => {
    const salad = await startMetadataService();
    onTestFinished(() => salad.close());
    const environment = { KELPIE_DISK_WAIT_S: '3', SALAD_METADATA_URL: salad.url };
    const agent = await scene.agent('stuck', environment, { under: ['unshare', '--mount'] });
    const over = scene.gate('over');
    const job = await scene.submit({ script: `mkdir in/dead; ${DEADEN} in/dead '${over.script}'`, before: ['in'] });
    expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
    const next = await scene.submit({ script: 'exit 0' });
    expect(await agent.said('The files of the job cannot be removed')).toMatch(
      /the disk of [^"]*\/in\/dead has not answered for 3 s/,
    );
    expect(await agent.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await readFile(join(agent.folder, '.kelpie-part-job-of-in'), 'utf8')).toBe('');
    expect(salad.reallocations()).toEqual([expect.stringMatching(/could not be removed .*\/in\/dead/)]);
    expect((await scene.events(next)).map(({ type }) => type)).toEqual(['SUBMITTED']);
  },
);

scenario.concurrent('a temporary directory that answers no more holds up no job', async ({ scene }) => {
  const over = scene.gate('over');
  const agent = await scene.agent('stuck', {}, { under: ['unshare', '--mount'] });
  const job = await scene.submit({ script: `${DEADEN} "$(dirname "$KELPIE_PROGRESS_FILE")" '${over.script}'` });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  await over.open();
  agent.signal('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
});
