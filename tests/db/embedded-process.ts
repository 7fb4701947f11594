import { startEmbeddedPostgres } from '../../db/embedded.ts';

/**
 * A program that holds an embedded PostgreSQL in the data directory given, for tests that kill it.
 * It says where the server is in one line of JSON, and stops it on SIGTERM.
 */
const [dataDirectory = ''] = process.argv.slice(2);
const { stop, ...place } = await startEmbeddedPostgres({ dataDirectory, durable: false });
process.once('SIGTERM', () => void stop().then(() => process.exit(0)));
// Keeps the process: the server, being detached, does not.
setInterval(() => undefined, 60_000);
console.log(JSON.stringify(place));
