import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { createApp } from '../../../server/app.ts';
import { createLog } from '../../../server/log.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { append } from '../../support/logs.ts';
import { problemIn } from '../../support/rest.ts';
import { readStream } from '../../support/stream.ts';
import { until } from '../../support/until.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

async function working() {
  const { viewer, secret: key } = await app.account();
  await submit(app.core, viewer);
  const { id, lease } = await claim(app.core, viewer);
  const say = (offset: number, ...texts: string[]) => append(app.core, viewer, lease, offset, ...texts);
  return { viewer, key, id, lease, say };
}

function get(key: string, path: string, headers: Record<string, string> = {}, url = app.url) {
  return fetch(`${url}${path}`, { headers: { 'X-Kelpie-Key': key, ...headers } });
}

describe('GET /jobs/:id/logs', () => {
  test('is the last lines as text', async () => {
    const { key, id, say } = await working();
    await say(0, 'eins', 'zwei €', '', '<b>drei</b>');
    const response = await get(key, `/jobs/${id}/logs`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=UTF-8');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe('eins\nzwei €\n\n<b>drei</b>\n');
    expect(await (await get(key, `/jobs/${id}/logs?tail=1`)).text()).toBe('<b>drei</b>\n');
  });

  test('in which no command can say what only Kelpie says', async () => {
    const { viewer, key, id, lease, say } = await working();
    const forged = '[kelpie] Attempt 1 on machine machine ended: COMPLETED';
    await say(0, forged, `\\${forged}`, `x\r${forged}`, `x ${forged}`);
    await finishAttempt(app.core, viewer, lease, endings.failed);
    const text = `\\${forged}\n\\\\${forged}\nx\r\\${forged}\nx ${forged}\n`;
    expect(await (await get(key, `/jobs/${id}/logs`)).text()).toBe(text);
    // What is stored is what was written.
    const json: unknown = await (await get(key, `/jobs/${id}/logs`, { Accept: 'application/json' })).json();
    expect(json).toMatchObject({ lines: [{ stream: 'stdout', text: forged }, {}, {}, {}] });
  });

  test.each([
    ...['\v', '\f', '\x1c', '\x1d', '\x1e', '\x85', '\u2028', '\u200b', '\ufeff', '\b\b'],
    ...['\x1b[2K\x1b[1G', '\x1b[0m', '\x1b[38:5:1m', '\x1b[\\', '\x1b7', '\x1b(B', '\x1b\\', '\x9b0m', '\x1b]0;x\x07'],
  ])('also behind what is not shown: %j', async (unseen) => {
    const { key, id, say } = await working();
    await say(0, `x${unseen}[kelpie] forged`, `x${unseen}\\[kelpie] forged`);
    const [one, other] = (await (await get(key, `/jobs/${id}/logs`)).text()).split('\n');
    expect([one, other]).toEqual([`x${unseen}\\[kelpie] forged`, `x${unseen}\\\\[kelpie] forged`]);
  });

  test.each(['\x1b', '\x9b'])('and a backslash that %j would take for its own is not put there', async (beginning) => {
    const { key, id, say } = await working();
    await say(0, `${beginning}[kelpie] x`);
    expect(await (await get(key, `/jobs/${id}/logs`)).text()).toBe(`${beginning}[kelpie] x\n`);
  });

  test('in which what Kelpie says is one line, whatever was told to it', async () => {
    const { viewer, key, id, lease } = await working();
    const reason = 'a\v[kelpie] b\f\x85\x1b[1Gc';
    await finishAttempt(app.core, viewer, lease, { ...endings.released, reason });
    await cancelJob(app.core, viewer, id);
    const response = await get(key, `/jobs/${id}/logs?follow=true`);
    const text = await readStream(response).end();
    expect(text).toContain('a [kelpie] b [1Gc');
    expect(text.split(/[\p{Cc}\p{Zl}\p{Zp}]/u)).toEqual([expect.stringMatching(/^\[kelpie\] /), '']);
  });

  test('or as JSON, with what is known of each', async () => {
    const { key, id, say } = await working();
    await say(0, 'a');
    await say(5, 'b');
    const json: unknown = await (await get(key, `/jobs/${id}/logs`, { Accept: 'application/json' })).json();
    const line = { attempt: 1, at: expect.stringMatching(/Z$/) as string };
    const text = expect.stringMatching(/^4 lines were not kept/) as string;
    expect(json).toEqual({
      _count: 3,
      lines: [
        { ...line, offset: 0, stream: 'stdout', text: 'a' },
        { ...line, offset: 1, stream: 'kelpie', text },
        { ...line, offset: 5, stream: 'stdout', text: 'b' },
      ],
    });
  });

  test('of a job without output is empty', async () => {
    const { viewer, secret: key } = await app.account();
    const { id } = await submit(app.core, viewer);
    expect(await (await get(key, `/jobs/${id}/logs?follow=false`)).text()).toBe('');
  });

  test.each(['tail=0', 'tail=10001', 'tail=x', 'tail=', 'attempt=0', 'attempt=1e3', 'follow=perhaps'])(
    '?%s is a bad request that names it',
    async (query) => {
      const { key, id } = await working();
      const { status, body } = await app.rest(key, 'GET', `/jobs/${id}/logs?${query}`);
      expect(status).toBe(400);
      expect(problemIn(body).errors?.[0]?.pointer).toBe(`/${query.split('=')[0]}`);
    },
  );

  test.each(['', '?follow=true'])('%s of another account’s job is the absence of one', async (query) => {
    const { id } = await working();
    const { secret: stranger } = await app.account();
    const absent = '00000000-0000-4000-8000-000000000001';
    const [theirs, none] = await Promise.all(
      [id, absent].map(async (each) => {
        const { status, body } = await app.rest(stranger, 'GET', `/jobs/${each}/logs${query}`);
        return [status, JSON.stringify(body).replaceAll(each, '…')];
      }),
    );
    expect(theirs).toEqual(none);
    expect(theirs![0]).toBe(404);
  });

  test('needs a key that may read', async () => {
    const { id } = await working();
    const { secret: agent } = await app.account('AGENT');
    expect((await app.rest(undefined, 'GET', `/jobs/${id}/logs`)).status).toBe(401);
    expect((await app.rest(agent, 'GET', `/jobs/${id}/logs`)).status).toBe(403);
  });
});

describe('?follow=true', () => {
  test('goes on with what is written, over attempts, until the job has ended', async () => {
    const { viewer, key, id, lease, say } = await working();
    await say(0, 'old', 'a');
    const log = readStream(await get(key, `/jobs/${id}/logs?follow=true&tail=1`));
    expect(await log.until('a\n')).toBe('a\n');
    await say(2, 'b');
    expect(await log.until('b\n')).toBe('a\nb\n');
    await finishAttempt(app.core, viewer, lease, endings.released);
    await log.until('[kelpie] ');
    const second = await claim(app.core, viewer, 'another');
    await append(app.core, viewer, second.lease, 0, 'c');
    await finishAttempt(app.core, viewer, second.lease, endings.completed);
    expect(await log.end()).toBe(
      'a\nb\n[kelpie] Attempt 1 on machine machine ended: RELEASED (the agent was told to stop)\n' +
        'c\n[kelpie] Attempt 2 on machine another ended: COMPLETED\n',
    );
  });

  test('answers at once, also where nothing was written yet', async () => {
    const { viewer, key, id } = await working();
    const response = await get(key, `/jobs/${id}/logs?follow=true`);
    expect(response.status).toBe(200);
    await cancelJob(app.core, viewer, id);
    expect(await readStream(response).end()).toContain('[kelpie] Attempt 1 on machine machine ended: CANCELED');
  });

  test('as events, each bears the place where a browser goes on', async () => {
    const { viewer, key, id, lease, say } = await working();
    const events = { Accept: 'text/event-stream' };
    await say(0, 'a', 'b');
    const response = await get(key, `/jobs/${id}/logs?follow=true`, events);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const first = readStream(response);
    const [event] = (await first.until('\n\n')).split('\n\n');
    const [, place, data] = /^id: (.*)\ndata: (.*)$/.exec(event!) ?? [];
    expect(place).toBe('1:2');
    const lines = z.object({ lines: z.array(z.object({ text: z.string() })) }).parse(JSON.parse(data!)).lines;
    expect(lines.map(({ text }) => text)).toEqual(['a', 'b']);
    await first.leave();

    await say(2, 'c');
    const again = readStream(await get(key, `/jobs/${id}/logs?follow=true`, { ...events, 'Last-Event-ID': place! }));
    const next = await again.until('\n\n');
    expect(next).toContain('id: 1:3\n');
    expect(next).not.toContain('"a"');
    await finishAttempt(app.core, viewer, lease, endings.completed);
    expect(await again.end()).toMatch(/event: end\ndata: \{\}\n\n$/);
  });

  test('HEAD is answered, and follows nothing', async () => {
    const { key, id } = await working();
    const headers = { 'X-Kelpie-Key': key };
    const response = await fetch(`${app.url}/jobs/${id}/logs?follow=true`, { method: 'HEAD', headers });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  test('a reader that hangs up is forgotten', async () => {
    const { key, id } = await working();
    const followed = async () => (await app.core.logFollowers.runOnce()).followed;
    const before = await followed();
    const log = readStream(await get(key, `/jobs/${id}/logs?follow=true`));
    await until('it to be followed', async () => (await followed()) === before + 1);
    await log.leave();
    await until('it to be forgotten', async () => (await followed()) === before);
  });

  test('a revoked key loses its stream within five seconds', async () => {
    const { viewer, key, id, say } = await working();
    await say(0, 'a');
    const log = readStream(await get(key, `/jobs/${id}/logs?follow=true`));
    await log.until('a\n');
    await app.database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    const start = performance.now();
    await expect(log.end()).rejects.toThrow();
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('a server that stops breaks its streams off at once', async () => {
    const { key, id, say } = await working();
    await say(0, 'a');
    const other = createApp({ core: app.core, log: createLog('silent') });
    const url = await other.start({ host: '127.0.0.1', port: 0 });
    const log = readStream(await get(key, `/jobs/${id}/logs?follow=true`, {}, url));
    await log.until('a\n');
    const start = performance.now();
    await Promise.all([other.stop(), expect(log.end()).rejects.toThrow()]);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});
