import { startS3 } from '../../../deploy/local/s3.ts';

/** A program that starts a store and says where it is, for a test that kills it; on SIGTERM it just runs out of work. */
const { url } = await startS3();
const work = setInterval(() => undefined, 60_000);
process.once('SIGTERM', () => clearInterval(work));
console.log(JSON.stringify({ url }));
