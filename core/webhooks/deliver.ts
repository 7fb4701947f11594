import type { EntityData } from '@mikro-orm/core';
import { ApiKey } from '../../db/entities/api-key.ts';
import { WebhookDelivery } from '../../db/entities/webhook-delivery.ts';
import { statement } from '../../db/statement.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Core } from '../core.ts';
import { ForbiddenAddress, type AllowedRange, type Resolve } from './guard.ts';
import { type Answer, post } from './post.ts';
import { nextTry } from './schedule.ts';
import { sealedSecrets, signatureHeaders } from './sign.ts';

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
  resolve?: Resolve | undefined;
  /** A try has ended, and there is room for another. */
  onRoom?: (() => void) | undefined;
  /** What became of a try could not be written down: it will be sent again. */
  onError: (error: Error) => void;
}

/** Under way at once from one server: to one host, and in all. */
const PER_HOST = 8;
const AT_ONCE = 64;
const TIME_LIMIT_MS = 15_000;
/** A try is held for longer than it can take; a sender that dies leaves it to the others after that. */
const HOLD_SECONDS = 60;
/** A job's later state waits for the earlier one until that was tried so often: in the order in which they came, while the receiver is up. */
const ORDERED_TRIES = 3;

interface DueParameters {
  batch: number;
  per_host: number;
  in_flight: Record<string, number>;
  ordered_tries: number;
  hold_seconds: number;
}

const dueStatement = statement<
  { [name in keyof DueParameters]: DueParameters[name] },
  EntityData<WebhookDelivery> & { id: string }
>('due-deliveries');

interface RecordParameters {
  id: string;
  number: number;
  milliseconds: number;
  status_code: number | null;
  error: string | null;
  response: string | null;
  wait_seconds: number | null;
}

const recordStatement = statement<{ [name in keyof RecordParameters]: RecordParameters[name] }, never>(
  'record-delivery',
);
const giveBackStatement = statement<{ id: string }, never>('give-back-delivery');

export function createSender(options: SenderOptions): Sender {
  const { core, onRoom, onError } = options;
  const stopping = new AbortController();
  const underWay = new Map<string, { host: string; done: Promise<void> }>();
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
      const started = await takeDue(core, batch, inFlight(underWay.values()));
      for (const due of started) {
        underWay.set(due.delivery.id, { host: due.delivery.host, done: sendOne(due) });
      }
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

/** A delivery with what it needs to be sent. */
interface Due {
  delivery: WebhookDelivery;
  key: ApiKey | undefined;
  /** Sealed. */
  secrets: readonly string[];
}

function inFlight(underWay: Iterable<{ host: string }>): Record<string, number> {
  const hosts = Map.groupBy(underWay, ({ host }) => host);
  return Object.fromEntries([...hosts].map(([host, deliveries]) => [host, deliveries.length]));
}

async function takeDue(core: Core, batch: number, underWay: Record<string, number>): Promise<Due[]> {
  const em = core.em.fork();
  const rows = await dueStatement(em, {
    ...{ batch, per_host: PER_HOST, in_flight: underWay },
    ...{ ordered_tries: ORDERED_TRIES, hold_seconds: HOLD_SECONDS },
  });
  if (rows.length === 0) return [];
  const deliveries = rows.map((row) => em.map(WebhookDelivery, row));
  const keys = await em.find(ApiKey, { id: { $in: deliveries.map(({ apiKeyId }) => apiKeyId) } });
  const keyOf = new Map(keys.map((key) => [key.id, key]));
  const secrets = await sealedSecrets(
    core,
    deliveries.map(({ accountId }) => accountId),
  );
  return deliveries.map((delivery) => ({
    delivery,
    key: keyOf.get(delivery.apiKeyId),
    secrets: secrets.get(delivery.accountId) ?? [],
  }));
}

/** @returns whether it was delivered; undefined when it was broken off, and counts for nothing */
async function tryOnce(options: SenderOptions, due: Due, stopping: AbortSignal): Promise<boolean | undefined> {
  const { core } = options;
  const { delivery } = due;
  const began = performance.now();
  let answer: Answer | undefined;
  let error: string | undefined;
  try {
    answer = await send(options, due, AbortSignal.any([stopping, AbortSignal.timeout(TIME_LIMIT_MS)]));
    if (answer.status < 200 || answer.status > 299) error = unexpected(answer.status);
  } catch (thrown) {
    if (stopping.aborted) {
      await giveBackStatement(core.em.fork(), { id: delivery.id });
      return undefined;
    }
    error = describe(thrown);
  }
  const chances = { now: new Date(), chance: Math.random() };
  await recordStatement(core.em.fork(), {
    ...{ id: delivery.id, number: delivery.tries, milliseconds: Math.round(performance.now() - began) },
    ...{ status_code: answer?.status ?? null, error: error ?? null, response: answer?.body ?? null },
    wait_seconds: error === undefined ? null : (nextTry(delivery.tries, answer ?? {}, chances) ?? null),
  });
  return error === undefined;
}

async function send(options: SenderOptions, { delivery, key, secrets }: Due, signal: AbortSignal): Promise<Answer> {
  const { core, allowed, resolve } = options;
  const body = JSON.stringify({
    status: delivery.status,
    job_id: delivery.jobId,
    machine_id: delivery.machineId,
    container_group_id: delivery.containerGroupId,
  });
  return post({
    ...{ url: delivery.url, body, signal, allowed, resolve },
    headers: {
      'Content-Type': 'application/json',
      'User-Agent': 'Kelpie',
      ...(isValid(key) && { 'X-Kelpie-Key': core.secrets.open(key.encrypted) }),
      ...signatureHeaders(
        secrets.map((sealed) => core.secrets.open(sealed)),
        { id: delivery.id, at: new Date(), body },
      ),
    },
  });
}

/** A key that was revoked is not sent any more; the signature says who tells. */
function isValid(key: ApiKey | undefined): key is ApiKey {
  return key !== undefined && key.revokedAt === null;
}

function unexpected(status: number): string {
  const hint = status >= 300 && status <= 399 ? ': redirects are not followed, give the URL it leads to' : '';
  return `Expected an answer of 200 to 299, got ${status}${hint}`;
}

/** Without what a resolver or a connection says of addresses inside this network. */
function describe(thrown: unknown): string {
  if (thrown instanceof ForbiddenAddress) return thrown.message;
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return `No answer within ${TIME_LIMIT_MS / 1_000} s`;
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : messageOf(thrown);
  return `The receiver could not be reached: ${code}`;
}
