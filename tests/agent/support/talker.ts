import { createLog } from '../../../agent/log.ts';

/** Says more than anybody reads, of the level that is its first word, and then, elsewhere, that it is alive; and one thing more when it is told to. */
const level = process.argv[2] === 'error' ? 'error' : 'info';
const log = createLog(level);
for (let line = 1; line <= 20_000; line++) log[level]({ line }, 'x'.repeat(1000));
setImmediate(() => process.stdout.write('alive\n'));
process.stdin.once('data', () => {
  log[level]('the last words');
  process.stdin.destroy();
});
