import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { usage } from '../exits.ts';
import type { World } from '../world.ts';
import type { JobDraft } from './job.ts';

const drafts = z.union([
  z.array(z.record(z.string(), z.unknown())).min(1),
  z.record(z.string(), z.unknown()).transform((one) => [one]),
]);

/**
 * One job or a list of jobs from a YAML or JSON file; `-` is standard input.
 * @throws CliError
 */
export async function readJobFile(path: string, world: World): Promise<JobDraft[]> {
  const parsed = drafts.safeParse(parseText(await readText(path, world), path));
  if (!parsed.success) throw usage(`${path}: expected one job, or a list of jobs, with fields such as "command"`);
  return parsed.data;
}

export async function readText(path: string, world: World): Promise<string> {
  try {
    return path === '-' ? await readAll(world.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    throw usage(`${path} can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** JSON is YAML. An alias may stand for a lot: a hundred of them are plenty for a job. */
function parseText(text: string, path: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: 100, logLevel: 'error' });
  } catch (error) {
    if (error instanceof YAMLParseError || error instanceof ReferenceError) throw usage(`${path}: ${error.message}`);
    throw error;
  }
}
