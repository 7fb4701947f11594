import { runCommand } from '../tests/support/command.ts';
import { agent } from './agent.ts';
import { claim } from './claim.ts';
import { dashboard } from './dashboard.ts';
import { fanout } from './fanout.ts';
import { fleet } from './fleet.ts';
import { follow } from './follow.ts';
import { heartbeats } from './heartbeats.ts';
import { latency } from './latency.ts';
import { overwrite } from './overwrite.ts';
import { recovery } from './recovery.ts';
import { retention } from './retention.ts';
import { scaling } from './scaling.ts';
import { submit } from './submit.ts';
import { sync } from './sync.ts';
import { webhooks } from './webhooks.ts';

/** Each answers one question, asserts its own work, and gives its figures: printed for people, and as JSON with --json. */
const benchmarks: Record<string, (flags: string[]) => Promise<Record<string, unknown>>> = {
  ...{ agent, claim, fanout, fleet, latency, recovery, retention, scaling, submit, webhooks },
  ...{ sync, follow, overwrite, heartbeats, dashboard },
};

const [name, ...flags] = process.argv.slice(2);
const benchmark = benchmarks[name ?? ''];
if (benchmark === undefined) {
  process.stderr.write(
    `Expected the name of a benchmark (${Object.keys(benchmarks).join(', ')}), got ${name ?? 'none'}\n`,
  );
  process.exitCode = 2;
} else {
  await runCommand(async () => {
    const figures = await benchmark(flags);
    if (flags.includes('--json')) process.stdout.write(`${JSON.stringify(figures)}\n`);
  });
}
