import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { TraceContext } from '../lib/traces/trace-context.ts';
import { currentRequest } from './requests.ts';

/** What every line of the log that is written for something names. */
export interface About {
  request_id?: string;
  job_id?: string;
  attempt?: number;
  trace_id?: string;
}

/** Where the sender of an operation is in a trace, if it said so: read when somebody wants to know, which few do. */
export type TraceOf = () => TraceContext | undefined;

const operations = new AsyncLocalStorage<{ about: About; trace: TraceOf }>();
/** Requests do not end when their answer is made: they are told of what they turned out to be about. */
const ofRequests = new WeakMap<object, About>();

/** What runs now is about: the request or the operation, and its job and attempt, where it has named them. */
export function currentAbout(): About {
  const operation = operations.getStore();
  if (operation !== undefined) return { ...operation.about, ...traceIdOf(operation.trace()) };
  const request = currentRequest();
  return request === undefined
    ? {}
    : { request_id: request.id, ...traceIdOf(request.trace), ...ofRequests.get(request) };
}

/** Where whoever asks for what runs now is in a trace, if they said so. */
export function currentTrace(): TraceContext | undefined {
  const operation = operations.getStore();
  return operation === undefined ? currentRequest()?.trace : operation.trace();
}

/** Runs an operation of a socket, which gets an id of its own: there is no request that it could be named by. */
export function aboutOperation<Result>(variables: unknown, trace: TraceOf, run: () => Result): Result {
  const about = { request_id: randomUUID(), ...idsIn(variables) };
  return operations.run({ about, trace }, run);
}

function traceIdOf(trace: TraceContext | undefined): About {
  return trace === undefined ? {} : { trace_id: trace.traceId };
}

/** The current request is an operation with these variables. */
export function noteVariables(variables: unknown): void {
  const request = currentRequest();
  if (request !== undefined) ofRequests.set(request, idsIn(variables));
}

/** The current request is for this path of the REST layer. */
export function notePath(path: string): void {
  const request = currentRequest();
  const id = uuid.safeParse(/^\/jobs\/([^/]+)/.exec(path)?.[1]).data;
  if (request !== undefined && id !== undefined) ofRequests.set(request, { job_id: id });
}

const uuid = z.uuid();
const ids = z.object({ jobId: uuid.optional().catch(undefined), attempt: z.int().optional().catch(undefined) });
const named = z.union([z.object({ input: ids }).transform(({ input }) => input), ids]);

/** As agents and people name them, in the variable `input` or by themselves. Whatever is no id stays out of the log. */
function idsIn(variables: unknown): About {
  const { jobId, attempt } = named.safeParse(variables).data ?? {};
  return { ...(jobId !== undefined && { job_id: jobId }), ...(attempt !== undefined && { attempt }) };
}
