import { access, constants, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { pino } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { inTime } from '../lib/pause.ts';
import { type CheckedStore, checkStorage } from './check-storage.ts';
import type { AgentConfig } from './config.ts';
import type { Credentials } from './credentials.ts';
import type { Finding } from './finding.ts';
import { type ApiKeyRole, ViewerDocument } from './generated/graphql.ts';
import { createHttpTransport } from './http.ts';
import { createPresence } from './presence.ts';
import { PROCESS_ONE_ADVICE } from './process-one.ts';
import type { Transport } from './transport.ts';
import { openWebSocket } from './websocket.ts';

export type { Finding } from './finding.ts';

export interface CheckParts {
  config: Pick<AgentConfig, 'graphqlUrl' | 'reconnectGraceMs' | 'directories' | 'workingDirectory'>;
  credentials: Credentials;
  store: CheckedStore;
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
    checkStorage(store, withinMs),
    ...placesOf(config).map((place) => checkWritable(place, withinMs)),
  ]);
  return [...findings.flat(), ...checkProcessOne()];
}

const LOCAL_PATHS = 'jobs with relative local paths fail: start the agent in a directory that its user may write to';
const OLDER_FORM = 'jobs in the older form of three buckets fail, others do not mind: set';

interface Place {
  what: string;
  path: string;
  /** What follows where nothing can be written there, */
  otherwise: string;
  /** and how bad that is. */
  bad: Finding['verdict'];
}

function placesOf({ workingDirectory, directories }: CheckParts['config']): Place[] {
  const noProgress = 'there is no progress of jobs, and no state file: set TMPDIR';
  return [
    { what: 'working directory', path: workingDirectory, otherwise: LOCAL_PATHS, bad: 'WRONG' },
    { what: 'temporary files', path: tmpdir(), otherwise: noProgress, bad: 'LIMITED' },
    ...Object.entries(directories).map(([name, path]: [string, string]): Place => {
      const otherwise = `${OLDER_FORM} ${name.toUpperCase()}_DIR`;
      return { what: `${name} directory`, path, otherwise, bad: 'LIMITED' };
    }),
  ];
}

/** As lines for a person. */
export function reportOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings.map(({ what, verdict, says }) => `${verdict.padEnd(7)}  ${what.padEnd(width)}  ${says}\n`).join('');
}

interface ServerTry extends Pick<CheckParts, 'config' | 'credentials'> {
  withinMs: number;
}

async function checkServer({ config, credentials, withinMs }: ServerTry): Promise<Finding[]> {
  const url = config.graphqlUrl.replace(/^ws/, 'http');
  try {
    const { viewer } = await ask(createHttpTransport({ url, credentials }), withinMs);
    const who = `${url} knows this agent as account ${viewer.accountId}, role ${viewer.role}`;
    const server: Finding = { what: 'server', ...judge(viewer.role, who) };
    return [server, await checkWebSocket({ config, credentials, withinMs })];
  } catch (error) {
    const says = `${url}: ${reasonOf(error)}; check KELPIE_API_URL and KELPIE_API_KEY, and that the server can be reached`;
    return [{ what: 'server', verdict: 'WRONG', says }];
  }
}

function judge(role: ApiKeyRole, who: string): Omit<Finding, 'what'> {
  switch (role) {
    case 'AGENT':
      return { verdict: 'GOOD', says: who };
    case 'OWNER': {
      const danger = 'whoever gets it out of this container may run commands on all machines of the account';
      return { verdict: 'LIMITED', says: `${who}: it may take work, but ${danger}; make a key of the role AGENT` };
    }
    case 'SUBMITTER':
    case 'VIEWER':
      return { verdict: 'WRONG', says: `${who}: expected AGENT, this one may not take work; make another key` };
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

async function checkWritable({ what, path, otherwise, bad }: Place, withinMs: number): Promise<Finding> {
  try {
    const found = await inTime(withinMs, () => writableOf(path));
    return { what, verdict: 'GOOD', says: found === path ? path : `${path} can be made` };
  } catch (error) {
    return { what, verdict: bad, says: `${path} cannot be written to (${messageOf(error)}): ${otherwise}` };
  }
}

/** What is there of a path, which rejects where it is nothing to write to. */
async function writableOf(path: string): Promise<string> {
  const found = await nearest(path);
  if (!(await stat(found)).isDirectory()) throw new Error(`${found} is no directory`);
  await access(found, constants.W_OK | constants.X_OK);
  return found;
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
  return text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .join(' ')
    .trim();
}
