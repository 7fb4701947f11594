import { rm } from 'node:fs/promises';
import { demandNoWords } from '../../lib/program-words.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { runCommand } from '../support/command.ts';
import { createJobs } from './jobs.ts';
import { present, previousRelease, unpack } from './release.ts';
import { openWorld, type World } from './world.ts';

/**
 * npm run test:upgrade
 *
 * A rolling upgrade from the release before this one, taken back and done again: agents have jobs running all the while, none of which may lose
 * its attempt. Exit code 0 only if none did, and all jobs were completed. Skipped in a clone that does not go back so far: then it says so, in a
 * workflow as a warning on its page.
 */
const JOBS = 3;

demandNoWords(
  'Usage: npm run test:upgrade\n\nTries a rolling upgrade from the previous release, which must end no attempt.\n',
);

const release = previousRelease();
if (release === undefined) skip();
else await runCommand(() => main(release));

function skip(): void {
  const mark = process.env['GITHUB_ACTIONS'] === 'true' ? '::warning title=No upgrade was tried::' : '';
  say(
    `${mark}Skipped: this clone has no previous release, neither a tag v… nor what stands for one (git fetch --unshallow --tags)`,
  );
}

async function main(release: string): Promise<void> {
  const directory = await makeTemporaryDirectory('kelpie-upgrade-');
  const previous = await unpack(release, directory);
  const world = await openWorld(directory);
  try {
    await upgrade(world, previous);
    say('No attempt ended, and every job was completed');
  } catch (error) {
    process.exitCode = 1;
    say(error instanceof Error ? String(error.stack) : String(error));
    for (const line of world.lastWords()) say(line);
  } finally {
    await world.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function upgrade(world: World, previous: string): Promise<void> {
  const jobs = await createJobs(world);
  say('The previous release: a server, and agents with jobs');
  const elder = await world.server(previous);
  await world.provision(previous);
  const agents = await world.agents(previous, JOBS + 1);
  const held = await jobs.submitHeld(JOBS);
  await jobs.beat(held);

  say('A server of this one beside it, which migrates while the old one serves');
  const younger = await world.server(present);
  await jobs.beat(held);
  await jobs.complete('a job over the old server, on the new schema');

  say('The old server is drained');
  await world.drain(elder, younger);
  await jobs.beat(held);
  await jobs.complete('a job of an old agent over the new server');
  await jobs.demandFirstAttempts();

  say('It is taken back: a server of the previous release on the new schema, and the new one is drained');
  const back = await world.server(previous);
  await jobs.beat(held);
  await world.drain(younger, back);
  await jobs.beat(held);
  await jobs.complete('a job over the old server that has come back');
  await jobs.demandFirstAttempts();

  say('And forward again');
  await world.drain(back, await world.server(present));
  await jobs.beat(held);
  await jobs.complete('a job of an old agent over a new server, after it was taken back');

  say('The old agents finish what they have, and go; one of this release comes');
  await jobs.release(held);
  for (const agent of agents) {
    agent.signal('SIGTERM');
    await agent.ended;
  }
  await world.agents(present, 1);
  await jobs.complete('a job of a new agent over the new server');
  await jobs.demandFirstAttempts();
  await jobs.demandWebhooks();
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
