import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { dumpSchema } from '../db/dump.ts';
import { startEmbeddedPostgres } from '../db/embedded.ts';
import { migrate } from '../db/migrate.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { printedSchema } from '../schema/index.ts';
import { printedConfiguration } from './configuration.ts';

/** Prints what is committed besides its source: the GraphQL schema, the settings and the database's schema. Tests fail when they drift. */
const root = join(import.meta.dirname, '..');
await print('schema/schema.graphql', printedSchema());
await print('docs/configuration.md', printedConfiguration());
await print('db/schema.sql', await schemaOfMigrations());

async function print(path: string, text: string): Promise<void> {
  await writeFile(join(root, path), text);
  process.stdout.write(`Printed ${path}\n`);
}

async function schemaOfMigrations(): Promise<string> {
  const directory = await makeTemporaryDirectory('kelpie-print-');
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false });
  try {
    await migrate(postgres.url);
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const text = await dumpSchema(client);
    await client.end();
    return text;
  } finally {
    await postgres.stop('immediate');
    await rm(directory, { recursive: true, force: true });
  }
}
