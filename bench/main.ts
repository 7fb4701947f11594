import { answerQuestions, refuseWords } from '../lib/program-words.ts';
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
import type { Benchmark } from './support/benchmark.ts';
import { webhooks } from './webhooks.ts';

const benchmarks = new Map<string, Benchmark>(
  Object.entries({
    ...{ agent, claim, fanout, fleet, latency, recovery, retention, scaling, submit, webhooks },
    ...{ sync, follow, overwrite, heartbeats, dashboard },
  }),
);

const WIDTH = Math.max(...[...benchmarks.keys()].map((one) => one.length));
const USAGE = `Usage: npm run bench -- NAME [flags]

Each answers one question, asserts its own work, and prints its figures; NAME --help tells its flags.

${[...benchmarks].map(([one, { question }]) => `  ${one.padEnd(WIDTH)}  ${question}`).join('\n')}
`;

const [name = '', ...words] = process.argv.slice(2);
const benchmark = benchmarks.get(name);
if (benchmark === undefined) {
  answerQuestions(USAGE, [name]);
  refuseWords(USAGE, `Expected the name of a benchmark, got ${name === '' ? 'none' : JSON.stringify(name)}`);
}
const { isJson, measure } = benchmark.prepare(name, words);
await runCommand(async () => {
  const figures = await measure();
  if (isJson) process.stdout.write(`${JSON.stringify(figures)}\n`);
});
