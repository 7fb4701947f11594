import type { ApiKey } from '../../db/entities/api-key.ts';
import type { WebhookDelivery } from '../../db/entities/webhook-delivery.ts';
import { statement } from '../../db/statement.ts';
import { messageOf } from '../../lib/errors.ts';
import { anyOf } from '../../lib/signals.ts';
import type { Core } from '../core.ts';
import { ForbiddenAddress, type AllowedRange, type Resolve } from './guard.ts';
import { type Answer, post } from './post.ts';
import { nextTry } from './schedule.ts';
import { createResolve } from './resolve.ts';
import { bare, openSecrets, signatureHeaders, signaturesIn } from './sign.ts';
import { type Due, ORDERED_TRIES, takeDue } from './take.ts';

/** Sends the webhooks that are due, each at least once. Any number of servers may do this at once. */
export interface Sender {
  /** Begins to send what is due and has room; what is under way is not waited for. */
  runOnce(): Promise<{ started: number }>;
  /** Resolves when nothing is under way, to what became of all that was since this was last asked. */
  settled(): Promise<{ delivered: number; failed: number }>;
  /** Breaks off what is under way; another server sends it. */
  stop(): Promise<void>;
}

export interface SenderOptions {
  core: Core;
  /** Ranges of addresses that receivers may be in although they are not public. */
  allowed: readonly AllowedRange[];
  /** How names are resolved: by the hosts file and the system's name servers. */
  resolve?: Resolve | undefined;
  /** How long a receiver may take for all of its answer, in milliseconds (15,000). */
  timeLimitMs?: number | undefined;
  /** A try has ended, and there is room for another. */
  onRoom?: (() => void) | undefined;
  /** What became of a try could not be written down, and it will be sent again; or what it should carry could not be opened. */
  onError: (error: Error) => void;
}

/** Under way at once from one server. */
const AT_ONCE = 64;
const TIME_LIMIT_MS = 15_000;
/** So many of a delivery's last tries are kept: of its own it has ten at most, by hand it may be sent as often as somebody likes. */
const KEPT_TRIES = 50;

const systemResolve = createResolve();

interface RecordParameters {
  id: string;
  number: number;
  milliseconds: number;
  status_code: number | null;
  error: string | null;
  response: string | null;
  wait_seconds: number | null;
  kept_tries: number;
  ordered_tries: number;
}

const recordStatement = statement<{ [name in keyof RecordParameters]: RecordParameters[name] }, never>(
  'record-delivery',
);
const giveBackStatement = statement<{ id: string; number: number }, never>('give-back-delivery');

export function createSender(options: SenderOptions): Sender {
  const { core, onRoom, onError } = options;
  const stopping = new AbortController();
  const underWay = new Map<string, { delivery: WebhookDelivery; done: Promise<void> }>();
  const counts = { delivered: 0, failed: 0 };

  const sendOne = async (due: Due): Promise<void> => {
    try {
      const isDelivered = await tryOnce(options, due, stopping.signal);
      if (isDelivered !== undefined) counts[isDelivered ? 'delivered' : 'failed'] += 1;
    } catch (error) {
      onError(new Error(`A webhook could not be recorded: ${messageOf(error)}`, { cause: error }));
    } finally {
      underWay.delete(due.delivery.id);
      if (!stopping.signal.aborted) onRoom?.();
    }
  };

  return {
    async runOnce() {
      const batch = AT_ONCE - underWay.size;
      if (batch <= 0 || stopping.signal.aborted) return { started: 0 };
      const started = await takeDue(
        core,
        batch,
        [...underWay.values()].map(({ delivery }) => delivery),
      );
      for (const due of started) underWay.set(due.delivery.id, { delivery: due.delivery, done: sendOne(due) });
      return { started: started.length };
    },
    async settled() {
      while (underWay.size > 0) await Promise.all([...underWay.values()].map(({ done }) => done));
      const settled = { ...counts };
      Object.assign(counts, { delivered: 0, failed: 0 });
      return settled;
    },
    async stop() {
      stopping.abort(new Error('the server stops'));
      await Promise.all([...underWay.values()].map(({ done }) => done));
    },
  };
}

/** @returns whether it was delivered; undefined when it was broken off, and counts for nothing */
async function tryOnce(options: SenderOptions, due: Due, stopping: AbortSignal): Promise<boolean | undefined> {
  const { core, timeLimitMs = TIME_LIMIT_MS } = options;
  const { id, tries } = due.delivery;
  const began = performance.now();
  const limit = AbortSignal.timeout(timeLimitMs);
  let answer: Answer | undefined;
  let error: string | undefined;
  try {
    answer = await send(options, due, anyOf(stopping, limit));
    if (answer.status < 200 || answer.status > 299) error = unexpected(answer.status);
  } catch (thrown) {
    if (stopping.aborted) {
      await giveBackStatement(core.em.fork(), { id, number: tries });
      return undefined;
    }
    error = limit.aborted ? `No answer within ${timeLimitMs / 1_000} s` : describe(thrown);
    if (thrown instanceof Unsealable) options.onError(thrown);
  }
  const chances = { now: new Date(), chance: Math.random() };
  await recordStatement(core.em.fork(), {
    ...{ id, number: tries, milliseconds: Math.round(performance.now() - began) },
    ...{ status_code: answer?.status ?? null, error: error ?? null, response: answer?.body ?? null },
    wait_seconds: error === undefined ? null : (nextTry(tries, answer ?? {}, chances) ?? null),
    ...{ kept_tries: KEPT_TRIES, ordered_tries: ORDERED_TRIES },
  });
  return error === undefined;
}

async function send(options: SenderOptions, { delivery, key, secrets }: Due, signal: AbortSignal): Promise<Answer> {
  const { core, allowed, resolve = systemResolve } = options;
  const body = JSON.stringify({
    status: delivery.status,
    job_id: delivery.jobId,
    machine_id: delivery.machineId,
    container_group_id: delivery.containerGroupId,
  });
  const submitters = isValid(key) ? unsealed(() => core.secrets.open(key.encrypted)) : undefined;
  const signing = unsealed(() => openSecrets(core, secrets));
  const signed = signatureHeaders(signing, { id: delivery.id, at: new Date(), body });
  return post({
    ...{ url: delivery.url, body, signal, allowed, resolve },
    headers: {
      'Content-Type': 'application/json',
      'User-Agent': 'Kelpie',
      ...(submitters !== undefined && { 'X-Kelpie-Key': submitters }),
      ...signed,
    },
    secrets: [...(submitters === undefined ? [] : [submitters]), ...signing.map(bare), ...signaturesIn(signed)],
  });
}

/** A key that was revoked, or is over, is not sent any more; the signature says who tells. */
function isValid(key: ApiKey | undefined): key is ApiKey {
  if (key === undefined || key.revokedAt !== null) return false;
  return key.expiresAt === null || key.expiresAt.getTime() > Date.now();
}

/** What a webhook should carry was sealed under another master key. For the account's owner to read, too: it names no detail. */
class Unsealable extends Error {
  override name = 'Unsealable';
}

function unsealed<Opened>(open: () => Opened): Opened {
  try {
    return open();
  } catch (error) {
    throw new Unsealable(
      'Not sent: the account’s key or secret cannot be opened with this server’s KELPIE_MASTER_KEY. ' +
        'All servers on one database must share the one that it was sealed with',
      { cause: error },
    );
  }
}

function unexpected(status: number): string {
  const hint = status >= 300 && status <= 399 ? ': redirects are not followed, give the URL it leads to' : '';
  return `Expected an answer of 200 to 299, got ${status}${hint}`;
}

/** Without what a resolver or a connection says of addresses inside this network. */
function describe(thrown: unknown): string {
  if (thrown instanceof ForbiddenAddress || thrown instanceof Unsealable) return thrown.message;
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : messageOf(thrown);
  return `The receiver could not be reached: ${code}`;
}
