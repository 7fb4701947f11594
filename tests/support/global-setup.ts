import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { migrate } from '../../db/migrate.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { COMPILED } from './compiled.ts';
import { removeLeftovers } from './leftovers.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A superuser's URL of the PostgreSQL that the suite runs on. */
    postgresUrl: string;
  }
}

/** Each test file's database is cloned from this one. */
export const TEMPLATE = 'kelpie_template';

const PREFIX = 'kelpie-tests-';

/** One PostgreSQL for the whole suite: of the machine's choice by TEST_DATABASE_URL, else an embedded one in memory. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL;
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  await removeLeftovers(memory, PREFIX);
  const directory = await makeTemporaryDirectory(PREFIX, memory);
  const postgres =
    given === undefined
      ? await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false, maxConnections: 300 })
      : { url: given, stop: () => Promise.resolve() };
  try {
    await Promise.all([makeTemplate(postgres.url), compilePrograms()]);
  } catch (error) {
    await postgres.stop('immediate');
    throw error;
  }
  project.provide('postgresUrl', postgres.url);
  return async () => {
    await postgres.stop('immediate');
    await rm(directory, { recursive: true, force: true });
  };
}

/**
 * In a clean clone the first tests would each compile the programs that they start, and one that is killed keeps nothing of it for the next. What
 * is wrong with a program its tests tell.
 */
async function compilePrograms(): Promise<void> {
  if (existsSync(COMPILED)) return;
  const root = join(import.meta.dirname, '../..');
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  for (const program of ['server/main.ts', 'agent/main.ts']) {
    await promisify(execFile)(process.execPath, [join(root, program), '--version'], { env }).catch(() => undefined);
  }
}

async function makeTemplate(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`drop database if exists ${TEMPLATE} with (force)`);
  await client.query(`create database ${TEMPLATE}`);
  await client.end();
  await migrate(databaseUrl(url, TEMPLATE));
}

export function databaseUrl(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}
