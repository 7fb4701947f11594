import { afterAll, describe, expect, test } from 'vitest';
import { finishAttempt } from '../../core/leases/finish.ts';
import { startTestApp } from '../support/app.ts';
import { hasChromium, sharedChromium } from '../support/chromium.ts';
import { claim, endings, submit } from '../support/jobs.ts';
import { append } from '../support/logs.ts';

describe.skipIf(!hasChromium('GraphiQL in a browser'))('GraphiQL in a browser', () => {
  const closing: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  test(
    'follows a log by its example, what was written and what comes, from one attempt to the next',
    { timeout: 120_000 },
    async () => {
      const app = await startTestApp();
      closing.push(() => app.close());
      const { viewer, secret } = await app.account();
      const { id } = await submit(app.core, viewer);
      const { lease } = await claim(app.core, viewer);
      await append(app.core, viewer, lease, 0, 'written before');
      const page = await (await sharedChromium()).newPage();
      closing.push(() => page.close());
      page.setDefaultTimeout(30_000);
      await page.goto(`${app.url}/graphql`);

      const editor = page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden)');
      const write = async (text: string): Promise<void> => {
        await editor.click();
        await page.keyboard.press('ControlOrMeta+a');
        await page.keyboard.insertText(text);
        // Editors close quotes and brackets by themselves.
        for (let count = 0; count < 4; count++) await page.keyboard.press('Delete');
      };
      await write(JSON.stringify({ 'X-Kelpie-Key': secret }));
      await page.getByRole('button', { name: 'Variables', exact: true }).click();
      await write(JSON.stringify({ id }));
      await page.locator('.graphiql-execute-button').click();
      await page.getByRole('menuitem', { name: 'Logs', exact: true }).click();
      const result = page.locator('.result-window');
      const shows = async (text: string): Promise<void> => result.filter({ hasText: text }).waitFor();
      await shows('"text": "written before"');
      await append(app.core, viewer, lease, 1, 'written meanwhile');
      await shows('"text": "written meanwhile"');
      await finishAttempt(app.core, viewer, lease, endings.released);
      await shows('ended: RELEASED');
      const second = await claim(app.core, viewer, 'another');
      await append(app.core, viewer, second.lease, 0, 'written elsewhere');
      await shows('"text": "written elsewhere"');
      expect((await result.innerText()).replaceAll(/\s+/g, ' ')).toContain('"attempt": 2');
    },
  );
});
