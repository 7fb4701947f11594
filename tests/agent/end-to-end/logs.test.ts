import { expect } from 'vitest';
import { type Scene, scenarios } from '../../support/fleet.ts';
import { openGateway } from '../../support/gateway.ts';
import { readStream } from '../../support/stream.ts';

const scenario = scenarios();

scenario.concurrent('what a command writes is read while it runs, and to its last word', async ({ scene }) => {
  const gate = scene.gate('go');
  const agent = await scene.agent('machine');
  const script = `echo one; echo two >&2; printf 'grüße €\\r\\n'; ${gate.script}; printf 'no line end'`;
  const job = await scene.submit({ script });
  const log = await follow(scene, job.id);
  await log.until('grüße €\n');
  await gate.open();
  expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
  // Two pipes: what came first in one of them may be read second.
  const lines = (await log.end()).split('\n');
  expect(lines.filter((line) => line !== 'two')).toEqual([
    ...['one', 'grüße €', 'no line end', '[kelpie] Attempt 1 on machine machine ended: COMPLETED', ''],
  ]);
  expect(lines).toContain('two');
  // As before, it also is on the container's own output.
  expect(agent.lines).toEqual(expect.arrayContaining(['one', 'two', 'grüße €']));
});

scenario.concurrent('the next attempt goes on in the same stream, on another machine', async ({ scene }) => {
  await Promise.all([scene.agent('first'), scene.agent('second')]);
  const job = await scene.submit({
    script: 'echo "attempt $KELPIE_ATTEMPT"; echo "last words of $KELPIE_ATTEMPT" >&2; [ $KELPIE_ATTEMPT = 2 ]',
  });
  const text = await (await follow(scene, job.id)).end();
  const [first, , why, second, , end] = text.split('\n');
  expect(why).toMatch(/^\[kelpie\] Attempt 1 on machine (first|second) ended: FAILED \(exit code 1\)$/);
  expect([first, second]).toEqual(['attempt 1', 'attempt 2']);
  expect(end).toMatch(/ended: COMPLETED$/);
  const [failed] = (await job.end()).attempts.nodes;
  expect(failed?.reason).toContain('last words of 1');
});

scenario.concurrent('a flood loses its middle, which is counted, and nothing of both its ends', async ({ scene }) => {
  await scene.agent('machine');
  const job = await scene.submit({
    script: 'seq -f "%.0f ----------------------------------------" 1 200000; echo the end',
  });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
  const lines = (await (await follow(scene, job.id)).end()).trimEnd().split('\n');
  expect(lines[0]).toBe(`1 ${'-'.repeat(40)}`);
  expect(lines.slice(-3, -1)).toEqual([`200000 ${'-'.repeat(40)}`, 'the end']);
  // By the agent, by the server, or by both, which then speaks for both.
  const gap = lines.find((line) => line.startsWith('[kelpie]'));
  expect(gap).toMatch(/^\[kelpie\] \d+ (?:bytes were dropped|lines were not kept) here/);
  expect(lines.length).toBeGreaterThan(10_000);
  const { app } = scene.fleet;
  const [stored] = await app.database.query<{ bytes: number }>(
    'select sum(bytes)::int as bytes from job_logs where job_id = $1',
    [job.id],
  );
  expect(stored!.bytes).toBeLessThan(1024 * 1024 + 128 * 1024);
});

scenario.concurrent('also where only plain requests get through', async ({ scene, onTestFinished }) => {
  const gateway = await openGateway(scene.fleet.app.url);
  onTestFinished(() => gateway.close());
  gateway.websockets = 'REFUSED';
  await scene.agent('machine', { KELPIE_API_URL: gateway.url });
  const job = await scene.submit({ script: 'echo by request' });
  expect(await (await follow(scene, job.id)).end()).toContain('by request\n');
});

/** The whole log of a job, as `curl` shows it. */
async function follow(scene: Scene, id: string) {
  const { app, ownerKey } = scene.fleet;
  const headers = { 'X-Kelpie-Key': ownerKey, 'Last-Event-ID': '1:0' };
  return readStream(await fetch(`${app.url}/jobs/${id}/logs?follow=true`, { headers }));
}
