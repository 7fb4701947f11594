import { expect } from 'vitest';
import { scenarios } from '../../support/fleet.ts';
import { startMetadataService } from '../../support/metadata-service.ts';
import { canBePowerless, OF_ANOTHER_USER, POWERLESS } from '../support/powerless.ts';

const scenario = scenarios().runIf(canBePowerless());

scenario(
  'a command that nobody can end costs its attempt and this machine, and the job goes elsewhere',
  async ({ scene, onTestFinished }) => {
    const salad = await startMetadataService();
    onTestFinished(() => salad.close());
    const patience = { KELPIE_KILL_WAIT_S: '1', FILE_WATCHER_STABILITY_CHECK_MS: '60000' };
    const haunted = await scene.agent('haunted', { ...patience, SALAD_METADATA_URL: salad.url }, { under: POWERLESS });
    // It ignores the polite signal, and that of root without power over others does not reach it.
    const loop = 'while :; do echo $$ > ckpt/model; sleep 0.01; done';
    const job = await scene.submit({
      script: `[ $KELPIE_ATTEMPT = 2 ] && exit 0; chmod 777 . ckpt; exec ${OF_ANOTHER_USER} sh -c '${loop}'`,
      during: ['ckpt'],
      timeoutSeconds: 1,
    });
    expect(await haunted.ended).toEqual({ code: 1, signal: null });
    const state = await job.until(({ numFailures }) => numFailures === 1);
    expect(state).toMatchObject({ status: 'PENDING', numInterruptions: 0 });
    const [attempt] = state.attempts.nodes;
    expect(attempt).toMatchObject({ outcome: 'TIMED_OUT' });
    expect(attempt?.reason).toMatch(/timeout of 1 s\.\nProcess \d+ \(sh, state \w\) runs on although it was killed/);
    expect(await scene.keys()).toEqual([]);
    expect(haunted.lines.find((line) => line.includes('This machine is of no use'))).toMatch(/survives SIGKILL/);
    expect(salad.reallocations()).toEqual([expect.stringMatching(/could not be ended on this machine/)]);

    await scene.agent('sound');
    expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
  },
);
