import { join } from 'node:path';
import { check, reportOf } from '../../../agent/check.ts';
import { keyCredentials } from '../../../agent/credentials.ts';
import { createLog } from '../../../agent/log.ts';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { leave } from '../../../agent/workers.ts';

/** Checks with the directory of its first word as that for input, where nobody serves anything, says what it has found, and leaves. */
const input = join(process.cwd(), process.argv[2] ?? '');
const findings = await check({
  config: {
    graphqlUrl: 'ws://127.0.0.1:9/graphql',
    reconnectGraceMs: 5000,
    directories: { input, checkpoint: process.cwd(), output: process.cwd() },
    workingDirectory: process.cwd(),
  },
  credentials: keyCredentials('a-key'),
  store: createS3Store({ endpoint: 'http://127.0.0.1:9' }),
  withinMs: 2000,
});
process.stdout.write(reportOf(findings));
await leave(0, createLog('info'));
