import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { registerAgent } from '../../core/agents/register.ts';
import { findJob } from '../../core/jobs/find.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import { sweepLeases } from '../../core/leases/rescue.ts';
import { openCore } from '../../core/open.ts';
import { findTool, PG_DUMP, PG_RESTORE } from '../../deploy/local/tools.ts';
import { MASTER_KEY, openTestCore } from '../support/core.ts';
import { createDatabase } from '../support/database.ts';
import { claim, endings, runOut, submit } from '../support/jobs.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const [dump, restore] = [findTool(PG_DUMP), findTool(PG_RESTORE)];
const manual = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
/** What the manual has run before the first server starts. */
const statements = [...manual.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, sql = '']) => sql);

const { core, database, account, close } = await openTestCore();
const directory = await mkdtemp(join(tmpdir(), 'kelpie-backup-'));
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
  await close();
});

describe.skipIf('missing' in dump || 'missing' in restore)('a database that was dumped and restored', () => {
  test('lets a running job go on, and one that was claimed since be done again', async () => {
    await using stack = new AsyncDisposableStack();
    const { viewer } = await account();
    const agent = await registerAgent(core, viewer, {
      machineId: 'machine',
      containerGroupId: 'group',
      sessionId: randomUUID(),
      version: null,
      hardware: null,
    });
    await submit(core, viewer);
    const running = await claim(core, viewer, 'machine', 'group', agent.id);
    const waiting = await submit(core, viewer);
    const file = join(directory, 'kelpie.dump');
    await run(pathOf(dump), ['--format=custom', `--file=${file}`, database.url]);
    const since = await claim(core, viewer, 'other');
    expect(since.id).toBe(waiting.id);

    const copy = await createDatabase({ empty: true });
    stack.defer(() => copy.drop());
    await run(pathOf(restore), [`--dbname=${copy.url}`, '--no-owner', '--exit-on-error', file]);
    // As in another cluster, which has begun fewer transactions.
    await copy.query('alter table job_events disable trigger user');
    await copy.query(`update job_events set xid = (xid::text::bigint + 1000000000)::text::xid8`);
    await copy.query('alter table job_events enable trigger user');
    expect(statements).toHaveLength(2);
    for (const sql of statements) await copy.query(sql);
    await runOut(copy);

    const restored = await openCore({ databaseUrl: copy.url, masterKey: MASTER_KEY, onError: () => undefined });
    stack.defer(() => restored.close());
    const told: string[] = [];
    restored.feed.listenSettled(({ jobId, type }) => told.push(`${jobId} ${type}`));
    // After the pause, agents have a grace before anything is taken from them.
    await copy.query(`update sweeps set at = at - interval '1 hour'`);
    expect(await sweepLeases(restored, 5)).toMatchObject({ expired: 0 });
    await heartbeat(restored, viewer, running.lease);
    await finishAttempt(restored, viewer, running.lease, endings.completed);
    expect(await findJob(restored, viewer, running.id)).toMatchObject({ status: 'COMPLETED', attemptNumber: 1 });

    await expect(heartbeat(restored, viewer, since.lease)).rejects.toThrow();
    const again = await claim(restored, viewer, 'third');
    expect(again.id).toBe(waiting.id);
    await expect(heartbeat(restored, viewer, since.lease)).rejects.toThrow();
    await until('all to be settled', async () => {
      await restored.feed.runOnce();
      return told.length >= 3;
    });
    expect(told).toEqual([`${running.id} ATTEMPT_ENDED`, `${running.id} COMPLETED`, `${waiting.id} CLAIMED`]);
  });
});

function pathOf(tool: typeof dump): string {
  if ('missing' in tool) throw new Error(tool.missing);
  return tool.path;
}
