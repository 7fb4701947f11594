import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Settings } from './config.ts';
import { CliError, EXIT, type Exit } from './exits.ts';
import type { TypedDocumentString } from './generated/graphql.ts';

/** The server, for questions that have one answer. */
export interface Connection extends Settings {
  stopping: AbortSignal;
  /**
   * Asks, and asks again when the answer was lost or the server asks for patience: so only for what may be said twice.
   * @throws CliError
   */
  ask<Data, Variables extends object>(
    operation: TypedDocumentString<Data, Variables>,
    variables: Variables,
  ): Promise<Data>;
  /** The same for what must not be said twice. */
  askOnce<Data, Variables extends object>(
    operation: TypedDocumentString<Data, Variables>,
    variables: Variables,
  ): Promise<Data>;
}

/** How long an answer may take: a batch of 1,000 large jobs needs some seconds (milliseconds). */
const ANSWER_MS = 60_000;
/** Waits between tries, in milliseconds; a server may ask for more, up to the last of them each time. */
const PAUSES_MS = [300, 1_000, 3_000];
const LONGEST_PAUSE_MS = 10_000;

export function openConnection(settings: Settings, stopping: AbortSignal): Connection {
  return {
    ...settings,
    stopping,
    async askOnce(operation, variables) {
      try {
        return await once(settings, operation, variables, stopping);
      } catch (error) {
        if (!(error instanceof Lost) || !error.mayPass) throw error;
        throw new Lost(`${error.message} It may have been done: look before you say it again.`);
      }
    },
    async ask(operation, variables) {
      for (const pause of PAUSES_MS) {
        try {
          return await once(settings, operation, variables, stopping);
        } catch (error) {
          if (!(error instanceof Lost) || !error.mayPass) throw error;
          await delay(Math.min(Math.max(pause, error.afterMs), LONGEST_PAUSE_MS), undefined, { signal: stopping });
        }
      }
      return once(settings, operation, variables, stopping);
    },
  };
}

/** No answer came: whoever follows something comes back later. */
export class Lost extends CliError {
  /** Whether the next try may well succeed. Where nobody listens, or the name is unknown, a person should know at once. */
  readonly mayPass: boolean;
  /** What the server asks for, in milliseconds. */
  readonly afterMs: number;

  constructor(message: string, { mayPass = true, afterMs = 0 } = {}) {
    super(EXIT.UNREACHABLE, message);
    this.mayPass = mayPass;
    this.afterMs = afterMs;
  }
}

async function once<Data, Variables extends object>(
  settings: Settings,
  operation: TypedDocumentString<Data, Variables>,
  variables: Variables,
  stopping: AbortSignal,
): Promise<Data> {
  const response = await send(settings, { query: operation.toString(), variables }, stopping);
  const answer = await read(response, settings.url, stopping);
  const [first] = answer.errors ?? [];
  if (first !== undefined) throw faultOf(first);
  // The document was generated from the printed schema: what the server answers with has the shape that it asks for.
  return answer.data as Data;
}

async function send(settings: Settings, body: object, stopping: AbortSignal): Promise<Response> {
  try {
    return await fetch(`${settings.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: ACCEPTED, 'X-Kelpie-Key': settings.key },
      body: JSON.stringify(body),
      // The key is for this server: where it sends us, the key would go along.
      redirect: 'error',
      signal: AbortSignal.any([stopping, AbortSignal.timeout(ANSWER_MS)]),
    });
  } catch (error) {
    stopping.throwIfAborted();
    throw unreachable(settings.url, error);
  }
}

const ACCEPTED = 'application/graphql-response+json, application/json';

const answered = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(z.object({ message: z.string(), extensions: z.record(z.string(), z.unknown()).optional() }))
    .optional(),
});
type Answer = z.infer<typeof answered>;

async function read(response: Response, url: string, stopping: AbortSignal): Promise<Answer> {
  const text = await response.text().catch((error: unknown) => {
    stopping.throwIfAborted();
    throw unreachable(url, error);
  });
  const { status } = response;
  const parsed = answered.safeParse(parseJson(text));
  if (parsed.success && (parsed.data.errors !== undefined || status < 400)) return parsed.data;
  const said = problem.safeParse(parseJson(text)).data?.detail;
  if (status === 429 || status === 502 || status === 503 || status === 504) {
    throw new Lost(said ?? `${url} is busy or away (answer ${status}). Try again later.`, {
      afterMs: secondsIn(response.headers.get('retry-after')) * 1_000,
    });
  }
  const message = said ?? `${url}: expected a Kelpie server, got the answer ${status}. Check the address.`;
  throw new CliError(EXIT.UNREACHABLE, status === 401 || status === 403 ? `${message} ${LOG_IN}` : message);
}

/** A date, which is allowed there too, counts as no wish. */
function secondsIn(header: string | null): number {
  const seconds = Number(header);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

/** As the REST layer's faults are. */
const problem = z.object({ detail: z.string() });

const LOG_IN = 'Check KELPIE_API_KEY, or run: kelpie-cli login URL';

function unreachable(url: string, error: unknown): CliError {
  const message = `${url} does not answer (${reasonOf(error)}). Check the address and that the server runs.`;
  return new Lost(message, { mayPass: !/ECONNREFUSED|ENOTFOUND|redirect/i.test(reasonOf(error)) });
}

/** `fetch` hides it behind "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
  return error.message;
}

const EXITS: Readonly<Record<string, Exit>> = {
  UNAUTHENTICATED: EXIT.UNREACHABLE,
  FORBIDDEN: EXIT.UNREACHABLE,
  INVALID_INPUT: EXIT.USAGE,
  INTERNAL_SERVER_ERROR: EXIT.UNREACHABLE,
};

/** The server's no; where it is one to what was given, with each fault and its place, from the operation's argument inwards. */
export interface Refusal {
  code: string;
  message: string;
  issues?: readonly { path: string[]; message: string }[];
}

/** The server's no, as the error that a command ends with. */
export function refused({ code, message }: Refusal): CliError {
  return new CliError(EXITS[code] ?? EXIT.REFUSED, message);
}

/** The same for an error that stands beside the data. */
export function faultOf({ message, extensions = {} }: GraphqlError): CliError {
  const { code, retryAfterSeconds } = extensions;
  if (code === 'UNAUTHENTICATED' || code === 'FORBIDDEN') return refused({ code, message: `${message}. ${LOG_IN}` });
  if (code !== 'RATE_LIMITED' && code !== 'UNAVAILABLE') {
    return refused({ code: typeof code === 'string' ? code : '', message });
  }
  return new Lost(message, { afterMs: typeof retryAfterSeconds === 'number' ? retryAfterSeconds * 1_000 : 0 });
}

interface GraphqlError {
  message: string;
  extensions?: Record<string, unknown> | undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
