import { expect } from 'vitest';
import { describeInBrowser } from '../support/browser.ts';
import { scenarios } from '../support/fleet.ts';
import { until } from '../support/until.ts';

const scenario = scenarios();

describeInBrowser('a job on machines', (open) => {
  scenario(
    'is watched through the loss of its machine, log and timeline included, without a reload',
    async ({ scene }) => {
      const { page, ...tab } = await open({ url: scene.fleet.app.url });
      await tab.signIn(scene.fleet.ownerKey);
      const first = await scene.agent('machine-a');
      const gate = scene.gate('end');
      const job = await scene.submit({
        script: `
        echo "began with $(ls checkpoints | wc -l) checkpoints"
        echo "{\\"fraction\\": 0.5, \\"message\\": \\"half way\\"}" > "$KELPIE_PROGRESS_FILE"
        echo saved > checkpoints/one
        ${gate.script}
        echo "ended on attempt $KELPIE_ATTEMPT"`,
        before: ['checkpoints'],
        during: ['checkpoints'],
        heartbeatInterval: 1,
      });
      await tab.go(`/app/jobs/${job.id}`);
      await page.getByText('began with 0 checkpoints').waitFor();
      await tab.mark();
      await page.getByText('half way').first().waitFor();
      await until('a checkpoint in the bucket', async () => (await scene.keys()).length > 0);
      await page.getByRole('img', { name: /Attempt 1 on machine-a: running, .*1 checkpoint/ }).waitFor();

      await Promise.all([first.vanish(), scene.agent('machine-b')]);
      await page.getByRole('img', { name: /Attempt 1 on machine-a: lost, .*of work lost/ }).waitFor();
      await page.getByText('began with 1 checkpoints').waitFor();
      await gate.open();
      await page.getByText('ended on attempt 2').waitFor();
      await page.getByRole('img', { name: /Attempt 2 on machine-b: completed/ }).waitFor();
      await page.getByText('the job has ended').waitFor();
      const lines = await page.getByRole('region', { name: 'Lines of the log' }).innerText();
      expect(lines.match(/began with/g)).toHaveLength(2);
      await page.getByText('Completed', { exact: true }).first().waitFor();
      expect(await tab.isTheSame()).toBe(true);
    },
  );
});
