import type { IncomingMessage, ServerResponse } from 'node:http';
import { GraphQLError } from 'graphql';
import type { GraphQLParams, Plugin } from 'graphql-yoga';
import type { Viewer } from '../core/accounts/keys.ts';
import { InvalidInputError } from '../core/errors.ts';
import type { Context } from '../schema/index.ts';
import { noteVariables } from './about.ts';
import type { Caller, Door } from './auth.ts';
import type { Bodies } from './bodies.ts';
import { PayloadTooLargeError, readJsonBody, type Bounds } from './json-body.ts';
import { exceeded, type Limits } from './limits.ts';
import { leaseOfReport } from './report-lease.ts';
import { currentRequest } from './requests.ts';

/** What an operation brings along: who asks, found out at the door, by a request's headers or when the socket was opened. */
export interface Admitted {
  asker?: Viewer;
  /** Aborted when the socket that it came over is gone; made when it is asked for. */
  gone?: () => AbortSignal;
  /** The request as Node has it, and its answer; on a socket there are none. */
  req?: IncomingMessage;
  res?: ServerResponse;
}

/**
 * Lets requests in by their headers alone, before a byte of what they ask is read: whoever is not known costs a look at the key, and no more
 * of the schema is told than that there is one. Each one that was let in counts, also when what it asks cannot be read.
 */
export function admittedOperations(door: Door, limits: Limits, bodies: Bodies): Plugin<Context, Admitted> {
  return {
    async onRequestParse({ request, serverContext, requestParser, setRequestParser }) {
      const { headers, method } = request;
      const post = (caller: Caller) => counted(serverContext, { caller, headers, bodies });
      const readOf = method === 'POST' ? post : requestParser && ((_: Caller, given: Request) => requestParser(given));
      // Of another method: the library refuses it.
      if (readOf === undefined) return;
      const caller = await door.callerOf((name) => headers.get(name), currentRequest()?.address);
      serverContext.asker = caller.viewer;
      setRequestParser(async (given) => {
        let params: GraphQLParams | GraphQLParams[] | Response | undefined;
        try {
          params = await readOf(caller, given);
          return params;
        } catch (error) {
          throw refusalOf(error, limits);
        } finally {
          await caller.count({ lease: leaseOfReport(params), gone: () => request.signal });
        }
      });
    },
    onParams: ({ params }) => noteVariables(params.variables),
  };
}

/** Reads what a POST asks for; the bytes of it count until it is answered. */
async function counted(
  { req, res }: Admitted,
  { caller, headers, bodies }: { caller: Caller; headers: Headers; bodies: Bodies },
): Promise<GraphQLParams> {
  const reading = bodies.begin(caller.viewer.accountId);
  try {
    const refusal = await caller.refusal();
    const bound = refusal === undefined ? bodies.bound : { bytes: MOST_OF_REPORT, refusal: () => refusal };
    const params = await posted(req, headers, { ...bound, came: (bytes) => reading.add(bytes) });
    // Whoever has hung up meanwhile is answered no more.
    if (res === undefined || res.destroyed) reading.end();
    else res.once('close', () => reading.end());
    return params;
  } catch (error) {
    reading.end();
    throw error;
  }
}

/** Of a key that has asked too often, a heartbeat or a report of an ending is taken all the same, and none has as many bytes. */
const MOST_OF_REPORT = 131_072;

/** What a POST asks for. The library looks at what its members are. */
async function posted(request: IncomingMessage | undefined, headers: Headers, bounds: Bounds): Promise<GraphQLParams> {
  if (request === undefined) throw new Error('Expected a request of Node’s, got another one');
  try {
    demandJson(headers.get('content-type') ?? '');
    // Left early, the request stays: its answer goes over the same connection.
    const chunks = request.iterator({ destroyOnReturn: false });
    const body = { chunks, announced: headers.get('content-length') };
    const { value } = await readJsonBody(body, bounds);
    if (typeof value === 'object' && value !== null) return value;
    throw badRequest('Expected a JSON body with an object, got another value');
  } catch (error) {
    if (request.errored !== null) throw new DOMException('Who asked has hung up', 'AbortError');
    // What is still to come is kept nowhere.
    request.resume();
    throw error;
  }
}

/**
 * A page of another site can send a form or a plain text to us without asking, but no JSON. It has no key to send along, as browsers
 * keep none; this shuts the door all the same.
 */
function demandJson(type: string): void {
  if (JSON_TYPE.test(type)) return;
  const got = type === '' ? 'none' : type.slice(0, 100);
  throw new GraphQLError(`Expected a body of the Content-Type application/json, got ${got}`, {
    extensions: { code: 'UNSUPPORTED_MEDIA_TYPE', http: { status: 415, headers: { Accept: 'application/json' } } },
  });
}

const JSON_TYPE = /^application\/json\s*(?:;|$)/i;

/** Says why a request could not be read, and in `extensions.http` with which status it is refused. */
function refusalOf(error: unknown, limits: Limits): unknown {
  if (error instanceof PayloadTooLargeError) {
    return new GraphQLError(exceeded(limits, 'KELPIE_MAX_BODY_BYTES', 'more'), {
      extensions: { code: 'REQUEST_ENTITY_TOO_LARGE', http: { status: 413 }, limit: 'KELPIE_MAX_BODY_BYTES' },
    });
  }
  // Of a GET, whose variables the library reads.
  if (error instanceof SyntaxError) return badRequest(`Expected JSON: ${error.message}`);
  return error instanceof InvalidInputError ? badRequest(error.issues.map(({ message }) => message).join('; ')) : error;
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } });
}
