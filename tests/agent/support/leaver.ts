import { open } from 'node:fs/promises';
import { createLog } from '../../../agent/log.ts';
import { leave, startWorker } from '../../../agent/workers.ts';

/** Leaves with code 3, as soon as it is told to, while a thread does what the first word says. */
const [work = '', pipe = ''] = process.argv.slice(2);
const log = createLog('info');
process.stdin.once('data', () => void leave(3, log));

switch (work) {
  case 'THREAD_HANGS':
    startWorker('../tests/agent/support/hanging.worker.ts');
    break;
  case 'POOL_HANGS':
    void open(pipe, 'r');
    process.stdout.write('begun\n');
    break;
  default:
    startWorker('sync/landing.worker.ts', { workerData: { stallMs: 1000, connectMs: 1000 } }).once('online', () =>
      process.stdout.write('begun\n'),
    );
}
