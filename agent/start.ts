import { leaveProcessOne } from './process-one.ts';

/** Where the executable begins. What can be replaced by another program at once has not loaded the agent before. */
const fault = leaveProcessOne();
if (fault !== undefined) process.stderr.write(`kelpie: ${fault}\n`);
void import('./main.ts');
