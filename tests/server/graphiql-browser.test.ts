import { afterAll, describe, expect, test } from 'vitest';
import { finishAttempt } from '../../core/leases/finish.ts';
import { startTestApp } from '../support/app.ts';
import { chromiumPath, startChromium } from '../support/chromium.ts';
import { claim, endings, submit } from '../support/jobs.ts';
import { append } from '../support/logs.ts';
import { until } from '../support/until.ts';

const path = chromiumPath();
if (path === undefined) process.stderr.write('Skipped: GraphiQL in a browser: no Chromium (KELPIE_TEST_CHROMIUM)\n');

describe.skipIf(path === undefined)('GraphiQL in a browser', () => {
  const closing: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  test(
    'follows a log by its example, what was written and what comes, from one attempt to the next',
    { timeout: 60_000 },
    async () => {
      const app = await startTestApp();
      closing.push(() => app.close());
      const { viewer, secret } = await app.account();
      const { id } = await submit(app.core, viewer);
      const { lease } = await claim(app.core, viewer);
      await append(app.core, viewer, lease, 0, 'written before');
      const tab = await startChromium(path ?? '');
      closing.push(() => tab.close());
      await tab.open(`${app.url}/graphql`);
      const present = (element: string) =>
        until(element, () => tab.evaluate(`${element} != null`) as Promise<boolean>, 20_000);
      await present(`document.querySelector('.graphiql-editor-tool .graphiql-editor:not(.hidden) textarea')`);

      const editor = '.graphiql-editor-tool .graphiql-editor:not(.hidden) textarea';
      const named = (selector: string, text: string) =>
        `[...document.querySelectorAll('${selector}')].find((one) => one.textContent.trim() === '${text}')`;
      await tab.write(editor, JSON.stringify({ 'X-Kelpie-Key': secret }));
      await tab.click(named('button', 'Variables'));
      await tab.write(editor, JSON.stringify({ id }));
      await tab.click(`document.querySelector('.graphiql-execute-button')`);
      await present(named('[role=menuitem]', 'Logs'));
      await tab.click(named('[role=menuitem]', 'Logs'));
      // The editor's spaces do not break.
      const result = async () =>
        String(await tab.evaluate(`document.querySelector('.result-window').innerText`)).replaceAll(/\s+/g, ' ');
      const shows = (text: string) => until(text, async () => (await result()).includes(text), 10_000);
      await shows('"text": "written before"');
      await append(app.core, viewer, lease, 1, 'written meanwhile');
      await shows('"text": "written meanwhile"');
      await finishAttempt(app.core, viewer, lease, endings.released);
      await shows('ended: RELEASED');
      const second = await claim(app.core, viewer, 'another');
      await append(app.core, viewer, second.lease, 0, 'written elsewhere');
      await shows('"text": "written elsewhere"');
      expect(await result()).toContain('"attempt": 2');
    },
  );
});
