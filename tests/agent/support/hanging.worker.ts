import { spawnSync } from 'node:child_process';

// This thread waits in the kernel, deaf to all, as on a disk that does not answer; what it has started says when it does.
spawnSync('sh', ['-c', 'echo begun; exec cat'], { stdio: [3, 1, 'ignore'] });
