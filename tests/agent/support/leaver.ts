import { open, readdir } from 'node:fs/promises';
import { createLog } from '../../../agent/log.ts';
import { leave, startWorker } from '../../../agent/workers.ts';

/** Leaves with code 3, as soon as it is told to, while a thread does what the first word says. */
const [work = '', pipe = ''] = process.argv.slice(2);
const log = createLog('info');
process.stdin.once('data', () => {
  if (work === 'TALKS') for (let line = 0; line < 900; line++) log.info({ line }, 'x'.repeat(1000));
  void leave(3, log);
});

/** One question to the disk after the other, each of which is answered. */
async function askDisk(forMs: number): Promise<void> {
  process.stdout.write('begun\n');
  for (const until = performance.now() + forMs; performance.now() < until;) await readdir('.');
}

switch (work) {
  case 'THREAD_HANGS':
    startWorker('../tests/agent/support/hanging.worker.ts');
    break;
  case 'POOL_HANGS':
    void open(pipe, 'r');
    process.stdout.write('begun\n');
    break;
  case 'POOL_WORKS':
    void askDisk(4000);
    break;
  case 'POOL_WORKS_AND_HANGS':
    void open(pipe, 'r');
    void askDisk(60_000);
    break;
  case 'TALKS':
    process.stdout.write('begun\n');
    break;
  default:
    startWorker('sync/landing.worker.ts', { workerData: { stallMs: 1000, connectMs: 1000 } }).once('online', () =>
      process.stdout.write('begun\n'),
    );
}
