import { z } from 'zod';
import { boundedBody } from '../../../lib/bounded-body.ts';
import { boundedMap } from '../../../lib/bounded-map.ts';
import { messageOf } from '../../../lib/errors.ts';
import {
  type Group,
  GroupNotFound,
  type GroupRef,
  type Instance,
  type Provider,
  ProviderTrouble,
} from '../provider.ts';
import { anyOf } from '../../../lib/signals.ts';

export interface SaladOptions {
  /** As in `https://host/api/public`. */
  apiUrl: string;
  apiKey: string;
  /** Where rules are looked for whose keys name no organization and project; nowhere. */
  organization?: string | undefined;
  project?: string | undefined;
  /** How long one answer may take, in milliseconds (10,000). */
  timeLimitMs?: number | undefined;
  /** Requests a minute with the key (240, which is what Salad allows). */
  perMinute?: number | undefined;
}

const TIME_LIMIT_MS = 10_000;
const PER_MINUTE = 240;
const MAX_NAMES = 10_000;

const groupAnswer = z.object({
  id: z.string(),
  name: z.string(),
  replicas: z.int(),
  current_state: z.object({ status: z.string() }),
});
type GroupAnswer = z.output<typeof groupAnswer>;
const groupsAnswer = z.object({ items: z.array(groupAnswer) });
const instancesAnswer = z.object({
  instances: z.array(z.object({ id: z.string(), machine_id: z.string().nullish(), state: z.string() })),
});

/** A group is described in some ten kilobytes; a project may have hundreds. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

interface Question {
  method: 'GET' | 'POST' | 'PATCH';
  path: readonly string[];
  body?: object;
}

/** Salad's container groups, over its documented REST API. Which machines go first is Salad's choice, by the cost that agents tell it. */
export function createSaladProvider(options: SaladOptions): Provider {
  const { find, verb } = createProject(options);
  return {
    name: 'salad',
    get: async (ref, signal, why) => describe(await find(ref, signal, why?.isCheck)),
    async start(ref, signal) {
      await verb(ref, signal, { method: 'POST', path: ['start'] });
    },
    async stop(ref, _sparing, signal) {
      await verb(ref, signal, { method: 'POST', path: ['stop'] });
    },
    async setReplicas(ref, replicas, _sparing, signal) {
      await verb(ref, signal, { method: 'PATCH', path: [], body: { replicas } });
    },
    async instances(ref, signal) {
      const data = await verb(ref, signal, { method: 'GET', path: ['instances'] });
      return parse(instancesAnswer, data).instances.map(({ id, machine_id, state }): Instance => {
        return { id, machineId: machine_id ?? null, isRunning: state === 'running' };
      });
    },
    async reallocate(ref, { id }, signal) {
      await verb(ref, signal, { method: 'POST', path: ['instances', id, 'reallocate'] }).catch(unlessGone);
    },
  };
}

/** Groups by id, and verbs for them, at the pace that Salad allows. */
function createProject(options: SaladOptions) {
  const pace = createPace(options.perMinute ?? PER_MINUTE);
  const names = boundedMap<string>(MAX_NAMES);

  const call = async (ref: GroupRef, signal: AbortSignal, question: Question, isCheck = false): Promise<unknown> => {
    pace.take(isCheck ? ref.accountId : undefined);
    try {
      return await ask(options, ref, question, signal);
    } catch (error) {
      throw pace.learn(error instanceof Error ? error : new Error(messageOf(error)));
    }
  };

  const find = async (ref: GroupRef, signal: AbortSignal, isCheck = false): Promise<GroupAnswer> => {
    const read = (path: string[]) => call(ref, signal, { method: 'GET', path }, isCheck);
    const [organization, project] = homeOf(ref, options);
    const key = `${organization}/${project}/${ref.containerGroupId}`;
    const name = names.get(key);
    if (name !== undefined) {
      const group = await read([...pathOf(organization, project), name])
        .then((data) => parse(groupAnswer, data))
        .catch(unlessGone);
      // A group that was deleted and made again under the same name is another one.
      if (group?.id === ref.containerGroupId) return group;
    }
    const list = parse(groupsAnswer, await read(pathOf(organization, project)));
    const found = list.items.find(({ id }) => id === ref.containerGroupId);
    if (found === undefined) throw notThere(ref);
    names.set(key, found.name);
    return found;
  };
  const verb = async (ref: GroupRef, signal: AbortSignal, { path, ...rest }: Question): Promise<unknown> => {
    const { name } = await find(ref, signal);
    return call(ref, signal, { ...rest, path: [...pathOf(...homeOf(ref, options)), name, ...path] });
  };
  return { find, verb };
}

function pathOf(organization: string, project: string): string[] {
  return ['organizations', organization, 'projects', project, 'containers'];
}

async function ask(
  { apiUrl, apiKey, timeLimitMs = TIME_LIMIT_MS }: SaladOptions,
  ref: GroupRef,
  { method, path, body }: Question,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    const response = await fetch([apiUrl, ...path.map(encodeURIComponent)].join('/'), {
      method,
      headers: {
        'Salad-Api-Key': apiKey,
        Accept: 'application/json',
        ...(body !== undefined && { 'Content-Type': 'application/merge-patch+json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // A redirect would carry the key to wherever it points.
      redirect: 'manual',
      signal: anyOf(signal, AbortSignal.timeout(timeLimitMs)),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw meaningOf(response, ref);
    }
    const text = Buffer.from(await boundedBody(response, MAX_ANSWER_BYTES)).toString('utf8');
    return text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    if (error instanceof ProviderTrouble || error instanceof GroupNotFound) throw error;
    throw new ProviderTrouble('Salad did not answer in time, or not as expected', { cause: error });
  }
}

class TooManyRequests extends ProviderTrouble {
  readonly pauseMs: number;
  constructor(pauseMs: number) {
    super('Salad answered with status 429', { retryAfterMs: pauseMs });
    this.pauseMs = pauseMs;
  }
}

const MINUTE_MS = 60_000;
/** Of what whoever only wants to know whether there is a group may take, one account leaves so much to the others. */
const LEFT_TO_OTHERS = 1 / 6;

/** At most so many requests a minute, and none while Salad has asked for a pause: the key is one for all rules. */
function createPace(perMinute: number) {
  let minute = newMinute();
  let quietUntil = 0;
  const demand = (isRoom: boolean, retryAfterMs: number): void => {
    if (isRoom) return;
    throw new ProviderTrouble('Salad allows only so many requests; they go on in a while', { retryAfterMs });
  };
  return {
    /**
     * @param checking the account that only wants to know whether there is a group: such take what rules that act have not used, half of all at
     *   most, and one account most of what the others have left of that
     */
    take(checking: string | undefined): void {
      const now = performance.now();
      demand(now >= quietUntil, quietUntil - now);
      if (now >= minute.until) minute = newMinute();
      demand(minute.all < perMinute, minute.until - now);
      if (checking !== undefined) {
        const own = minute.checks.get(checking) ?? 0;
        const leftByOthers = Math.floor(perMinute / 2) - (minute.allChecks - own);
        demand(own < leftByOthers * (1 - LEFT_TO_OTHERS), minute.until - now);
        minute.checks.set(checking, own + 1);
        minute.allChecks += 1;
      }
      minute.all += 1;
    },
    /** The pause after too many requests is the key's, so every rule keeps it; any other is that of one group. */
    learn(error: Error): Error {
      if (error instanceof TooManyRequests) quietUntil = Math.max(quietUntil, performance.now() + error.pauseMs);
      return error;
    },
  };
}

/** What was asked within one, by whom. */
function newMinute() {
  return { until: performance.now() + MINUTE_MS, all: 0, allChecks: 0, checks: new Map<string, number>() };
}

const NAME = /^[a-z0-9-]{1,63}$/;

/** The organization and project of the rule's key, or those of the operator. */
function homeOf(ref: GroupRef, { organization, project }: SaladOptions): [organization: string, project: string] {
  const home: [string | undefined, string | undefined] =
    ref.organization === null ? [organization, project] : [ref.organization, ref.project ?? undefined];
  // Elsewhere they were checked when they were given; a path is made of them here.
  if (home[0] !== undefined && home[1] !== undefined && [home[0], home[1]].every((name) => NAME.test(name))) {
    return [home[0], home[1]];
  }
  throw new GroupNotFound(
    `Where Salad has container group ${ref.containerGroupId} is not known: make the rule with Salad's credentials, or with a key for which the admin has named an organization and a project`,
  );
}

function describe({ id, name, replicas, current_state: { status } }: GroupAnswer): Group {
  // One that has failed or succeeded has no machines either, until it is started.
  const isStopped = ['stopped', 'failed', 'succeeded'].includes(status);
  return { identity: id, name, replicas, status: isStopped ? 'STOPPED' : 'RUNNING' };
}

function meaningOf({ status, headers }: Response, ref: GroupRef): Error {
  if (status === 404) return notThere(ref);
  const asked = retryAfterMs(headers.get('retry-after'));
  // Salad's limit is by the minute: without `Retry-After` it means the next one.
  if (status === 429) return new TooManyRequests(asked ?? MINUTE_MS);
  return new ProviderTrouble(`Salad answered with status ${status}`, { retryAfterMs: asked });
}

/** `Retry-After` as seconds or as a date; at most an hour is believed. */
function retryAfterMs(text: string | null): number | undefined {
  if (text === null) return undefined;
  const millis = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(millis) ? Math.min(Math.max(millis, 0), 3_600_000) : undefined;
}

function notThere({ containerGroupId }: GroupRef): GroupNotFound {
  return new GroupNotFound(`Salad has no container group ${containerGroupId} in this project: check the id`);
}

function unlessGone(error: unknown): undefined {
  if (!(error instanceof GroupNotFound)) throw error;
}

function parse<Parsed>(schema: z.ZodType<Parsed>, data: unknown): Parsed {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  throw new ProviderTrouble('Salad answered with something else than expected');
}
