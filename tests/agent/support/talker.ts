import { createLog } from '../../../agent/log.ts';

/** Says more than anybody reads, and then, elsewhere, that it is alive; and one thing more when it is told to. */
const log = createLog('info');
for (let line = 1; line <= 20_000; line++) log.info({ line }, 'x'.repeat(1000));
setImmediate(() => process.stdout.write('alive\n'));
process.stdin.once('data', () => {
  log.info('the last words');
  process.stdin.destroy();
});
