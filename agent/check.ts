import { access, constants, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { pino } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { pause } from '../lib/pause.ts';
import type { AgentConfig } from './config.ts';
import type { Credentials } from './credentials.ts';
import { ViewerDocument } from './generated/graphql.ts';
import { createHttpTransport } from './http.ts';
import { createPresence } from './presence.ts';
import { PROCESS_ONE_ADVICE } from './process-one.ts';
import type { ObjectStore } from './sync/s3.ts';
import type { Transport } from './transport.ts';
import { openWebSocket } from './websocket.ts';

/** What became of one try. LIMITED: the agent works, but not all of it, or not as well as it could. */
export interface Finding {
  what: string;
  verdict: 'GOOD' | 'LIMITED' | 'WRONG';
  /** What was found; if it is not good, what was expected, and what to do. */
  says: string;
}

export interface CheckParts {
  config: Pick<AgentConfig, 'graphqlUrl' | 'reconnectGraceMs' | 'storage' | 'directories' | 'workingDirectory'>;
  credentials: Credentials;
  store: Pick<ObjectStore, 'name' | 'ready'>;
  /** How long each try may take, in milliseconds. */
  withinMs?: number;
}

/**
 * Tries everything that the agent needs, all at once. Changes nothing: no agent is registered, no file made, nothing is said to the
 * instance, so it may be done beside an agent that works. Never rejects.
 */
export async function check({ config, credentials, store, withinMs = 10_000 }: CheckParts): Promise<Finding[]> {
  const server = { config, credentials, withinMs };
  const findings = await Promise.all([
    checkServer(server),
    checkStorage(store, config.storage.endpoint, withinMs),
    checkWritable('working directory', config.workingDirectory, LOCAL_PATHS, 'WRONG'),
    checkWritable(
      'temporary files',
      tmpdir(),
      'there is no progress of jobs, and no state file: set TMPDIR',
      'LIMITED',
    ),
    ...Object.entries(config.directories).map(([name, path]: [string, string]) =>
      checkWritable(`${name} directory`, path, `${OLDER_FORM} ${name.toUpperCase()}_DIR`, 'LIMITED'),
    ),
  ]);
  return [...findings.flat(), ...checkProcessOne()];
}

const LOCAL_PATHS = 'jobs with relative local paths fail: start the agent in a directory that its user may write to';
const OLDER_FORM = 'jobs in the older form of three buckets fail, others do not mind: set';

/** As lines for a person. */
export function reportOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings.map(({ what, verdict, says }) => `${verdict.padEnd(7)}  ${what.padEnd(width)}  ${says}\n`).join('');
}

interface ServerTry extends Pick<CheckParts, 'config' | 'credentials'> {
  withinMs: number;
}

const WORKING_ROLES = ['AGENT', 'OWNER'];

async function checkServer({ config, credentials, withinMs }: ServerTry): Promise<Finding[]> {
  const url = config.graphqlUrl.replace(/^ws/, 'http');
  try {
    const { viewer } = await ask(createHttpTransport({ url, credentials }), withinMs);
    const mayWork = WORKING_ROLES.includes(viewer.role);
    const who = `${url} knows this agent as account ${viewer.accountId}, role ${viewer.role}`;
    const advice = `${who}: expected ${WORKING_ROLES.join(' or ')}, the others may not take work; make another key`;
    const server: Finding = { what: 'server', verdict: mayWork ? 'GOOD' : 'WRONG', says: mayWork ? who : advice };
    return [server, await checkWebSocket({ config, credentials, withinMs })];
  } catch (error) {
    const says = `${url}: ${reasonOf(error)}; check KELPIE_API_URL and KELPIE_API_KEY, and that the server can be reached`;
    return [{ what: 'server', verdict: 'WRONG', says }];
  }
}

async function checkWebSocket({ config, credentials, withinMs }: ServerTry): Promise<Finding> {
  const what = 'websocket';
  const transport = openWebSocket({
    ...{ url: config.graphqlUrl, credentials, graceMillis: config.reconnectGraceMs },
    presence: createPresence(config.reconnectGraceMs),
    onConnected: () => undefined,
    onDisconnected: () => undefined,
    longestPauseMs: () => 1000,
    log: pino({ level: 'silent' }),
  });
  try {
    await ask(transport, withinMs);
    return { what, verdict: 'GOOD', says: 'new work and cancels arrive at once' };
  } catch (error) {
    const weaker = 'plain requests will do, but slower, and a lost machine is noticed late';
    return { what, verdict: 'LIMITED', says: `does not get through (${reasonOf(error)}): ${weaker}; look at proxies` };
  } finally {
    await transport.close();
  }
}

function ask(transport: Transport, withinMs: number) {
  return transport.request(ViewerDocument, {}, AbortSignal.timeout(withinMs));
}

async function checkStorage(store: CheckParts['store'], endpoint: string | undefined, ms: number): Promise<Finding> {
  const what = 'storage';
  const limited = 'jobs that have files to sync fail, others do not mind';
  try {
    await inTime(store.ready(), ms);
    if (endpoint !== undefined) await reach(endpoint, ms);
    return {
      what,
      verdict: 'GOOD',
      says: `${store.name}: credentials and region are known; buckets were not looked at`,
    };
  } catch (error) {
    return { what, verdict: 'LIMITED', says: `${store.name}: ${reasonOf(error)}; ${limited}` };
  }
}

/** Any answer will do: without a bucket there is nothing to ask a store for. */
async function reach(endpoint: string, ms: number): Promise<void> {
  // Without what else may stand in it: a password would be in the error.
  const response = await fetch(new URL(endpoint).origin, { redirect: 'manual', signal: AbortSignal.timeout(ms) });
  await response.body?.cancel();
}

async function checkWritable(what: string, path: string, otherwise: string, bad: Finding['verdict']): Promise<Finding> {
  const found = await nearest(path);
  try {
    if (!(await stat(found)).isDirectory()) throw new Error(`${found} is no directory`);
    await access(found, constants.W_OK | constants.X_OK);
    return { what, verdict: 'GOOD', says: found === path ? path : `${path} can be made` };
  } catch (error) {
    return { what, verdict: bad, says: `${path} cannot be written to (${messageOf(error)}): ${otherwise}` };
  }
}

/** What is there of a path: it, or the directory in which the rest would be made. */
async function nearest(path: string): Promise<string> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : nearest(dirname(path));
}

/** The executable is never process 1 by the time it looks, unless it could not help it. */
function checkProcessOne(): Finding[] {
  if (process.pid !== 1) return [];
  return [{ what: 'process 1', verdict: 'LIMITED', says: PROCESS_ONE_ADVICE }];
}

async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const over = new AbortController();
  const late = pause(ms, over.signal).then(() => Promise.reject(new Error(`no answer within ${ms} ms`)));
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}

/** What `fetch` says stands in the cause of what it throws. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error) || error.cause === undefined) return onOneLine(messageOf(error));
  const { cause } = error;
  if (cause instanceof Error && 'code' in cause && NO_TLS.includes(String(cause.code))) {
    return 'expected https, which is assumed where no scheme stands, and what answers there speaks none: write http://… if it is to be plain';
  }
  return onOneLine(`${error.message}: ${messageOf(cause)}`);
}

/** What OpenSSL makes of an answer in plain words, which it takes for a record of its own. */
const NO_TLS = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];

/** OpenSSL ends its words with a line's end: a finding is one line. */
function onOneLine(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, ' ').trim();
}
