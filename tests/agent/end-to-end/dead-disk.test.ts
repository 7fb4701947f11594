import { expect } from 'vitest';
import { scenarios } from '../../support/fleet.ts';
import { canOrMust } from '../../support/podman.ts';
import { besideDeadDisk, canHaveDeadDisk, DEADEN } from '../support/dead-disk.ts';

const scenario = scenarios().runIf(canOrMust(canHaveDeadDisk(), 'a disk that does not answer'));

scenario.concurrent(
  'an agent whose disk does not answer takes work, and when it is told to stop gives the job back and ends',
  async ({ scene }) => {
    const environment = {
      KELPIE_STATE_FILE: 'dead/folder/state.json',
      KELPIE_SHUTDOWN_GRACE_S: '0',
      KELPIE_UPLOAD_GRACE_S: '0',
      KELPIE_KILL_GRACE_S: '0',
    };
    const agent = await scene.agent('stuck', environment, { under: besideDeadDisk('dead') });
    await agent.said('nobody is told what this agent does');
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

scenario.concurrent('a job is done although the temporary directory does not answer', async ({ scene }) => {
  const environment = { TMPDIR: 'dead', KELPIE_STATE_FILE: 'state.json' };
  const agent = await scene.agent('stuck', environment, { under: besideDeadDisk('dead') });
  const jobs = [await scene.submit({ script: 'exit 0' }), await scene.submit({ script: 'exit 0' })];
  for (const job of jobs) expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  agent.signalAll('SIGTERM');
  expect(await agent.ended).toEqual({ code: 137, signal: null });
  expect(agent.lines.filter((line) => line.includes('this job cannot report progress'))).toHaveLength(2);
});

scenario.concurrent('a job is done although the temporary directory answers no more', async ({ scene }) => {
  const over = scene.gate('over');
  const agent = await scene.agent('stuck', {}, { under: ['unshare', '--mount'] });
  const job = await scene.submit({ script: `${DEADEN} "$(dirname "$KELPIE_PROGRESS_FILE")" '${over.script}'` });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  await over.open();
  agent.signal('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
});
