import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { InvalidInputError, RateLimitedError, UnavailableError, type InputIssue } from '../../core/errors.ts';
import { expectedFailure } from '../../core/expected.ts';
import { messageOf } from '../../lib/errors.ts';
import { PayloadTooLargeError } from '../json-body.ts';
import { said } from './field-words.ts';
import type { RestEnv, RestLog } from './parts.ts';

/** RFC 9457, and the members `error` and `message`, which older clients read. */
const problemSchema = z
  .object({
    type: said(z.string(), 'Which kind of problem; stays the same whatever the words say'),
    title: said(z.string(), 'The kind, in words'),
    status: said(z.int(), 'That of the answer'),
    detail: said(z.string(), 'What was expected, what came, and what to do'),
    error: z.string().openapi({ description: 'The same as `title`' }),
    message: z.string().openapi({ description: 'The same as `detail`' }),
    errors: z
      .array(
        z.object({
          pointer: z.string().openapi({ description: 'RFC 6901' }),
          message: said(z.string(), 'What was expected there'),
        }),
      )
      .optional()
      .openapi({ description: 'Every fault of the input, with its place in the body, or the name of the parameter' }),
    index: z.int().optional().openapi({ description: 'In a batch: the first job that has a fault, counted from 0' }),
    request_id: z
      .string()
      .optional()
      .openapi({ description: 'Of an unexpected error: its name in the log of the server' }),
  })
  .openapi('Problem');
type ProblemBody = z.infer<typeof problemSchema>;

const titles = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Payload Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;
export type ProblemStatus = keyof typeof titles;

interface Problem {
  status: ProblemStatus;
  /** In kebab case; the last part of `type`. */
  code: string;
  detail: string;
  title?: string;
  more?: Partial<ProblemBody>;
  /** Whole seconds, at least 1: when the same may be asked again. */
  retryAfterSeconds?: number;
}

/** What any route that asks for credentials may answer. */
const OF_THE_DOOR = [400, 401, 403, 429, 500, 503] as const satisfies ProblemStatus[];

const retryAfter = {
  'Retry-After': {
    description: 'Whole seconds until the same may be asked again',
    schema: { type: 'integer', minimum: 1 },
  },
} as const;

/** The responses of a route that are problems, for its OpenAPI description; those of the door come by themselves. */
export function problemResponses<const Status extends ProblemStatus>(...statuses: Status[]) {
  const entries = [...new Set<ProblemStatus>([...OF_THE_DOOR, ...statuses])].map((status) => {
    const content = { 'application/problem+json': { schema: problemSchema, example: bodyOf(examples[status]) } };
    const headers = status === 429 || status === 503 ? { headers: retryAfter } : {};
    return [status, { description: titles[status], content, ...headers }];
  });
  type All = Status | (typeof OF_THE_DOOR)[number];
  // The keys of the entries are the statuses, which `fromEntries` forgets.
  return Object.fromEntries(entries) as Record<All, ProblemResponse>;
}

interface ProblemResponse {
  description: string;
  content: { 'application/problem+json': { schema: typeof problemSchema; example: ProblemBody } };
}

export function respondWithProblem(context: Context<RestEnv>, problem: Problem): Response {
  return context.body(problemText(problem), problem.status, {
    'Content-Type': 'application/problem+json',
    ...(problem.retryAfterSeconds !== undefined && { 'Retry-After': String(problem.retryAfterSeconds) }),
  });
}

/** The same where no route is reached. */
export function problemText(problem: Problem): string {
  return JSON.stringify(bodyOf(problem));
}

function bodyOf({ status, code, detail, title = titles[status], more }: Problem): ProblemBody {
  const [shown, type] = [clipped(detail), `urn:kelpie:problem:${code}`];
  return { type, title, status, detail: shown, error: title, message: shown, ...more };
}

/** What a person reads is short; names that came with a request may have megabytes. */
function clipped(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT).toWellFormed()} …`;
}
const LONGEST_TEXT = 2_000;

const FIELD_FAULT = { pointer: '/command', message: 'Expected at least 1 character' };
const examples: Record<ProblemStatus, Problem> = {
  400: {
    status: 400,
    code: 'invalid-input',
    detail: `command: ${FIELD_FAULT.message}`,
    more: { errors: [FIELD_FAULT] },
  },
  401: { status: 401, code: 'unauthenticated', detail: 'Expected an API key in the header X-Kelpie-Key, got none' },
  403: { status: 403, code: 'forbidden', detail: 'The API key in X-Kelpie-Key is unknown, revoked or expired' },
  404: { status: 404, code: 'not-found', detail: 'There is nothing of this id in this account' },
  405: { status: 405, code: 'method-not-allowed', detail: 'PUT is not among the methods of /jobs: GET, POST' },
  409: { status: 409, code: 'conflict', detail: 'What has ended cannot be canceled' },
  413: {
    status: 413,
    code: 'payload-too-large',
    detail: 'Expected a body of at most 33554432 bytes (KELPIE_MAX_BODY_BYTES)',
  },
  429: { status: 429, code: 'too-many-requests', detail: 'Too many requests: ask again after some seconds' },
  500: unexpected('00000000-0000-4000-8000-000000000000'),
  503: { status: 503, code: 'not-ready', detail: 'The database does not answer' },
};

/** The answer to whatever a handler threw. What was not expected is told to the log, not to the client. */
export function onError(log: RestLog): (error: Error, context: Context<RestEnv>) => Response {
  return (error, context) => {
    const requestId = context.get('requestId');
    const problem = expectedProblem(error) ?? unexpected(requestId);
    // Who has hung up is told nothing, and nothing is amiss: of a body that breaks off, Node says the same as of a database that goes.
    const isOver = error.name === 'AbortError' || problem.status === 503;
    if (isOver && context.req.raw.signal.aborted) return respondWithProblem(context, problem);
    const { method, path } = context.req;
    const about = { err: error, request_id: requestId, method, path };
    if (problem.status === 500) log.error(about, `Unexpected error: ${messageOf(error)}`);
    if (problem.status === 503) log.error(about, 'A request could not be answered just now');
    return respondWithProblem(context, problem);
  };
}

/** The answer where no route is: not found, or found under other methods, which are named. */
export function onNotFound(methodsOf: (path: string) => string[]): (context: Context<RestEnv>) => Response {
  return (context) => {
    const { method, path } = context.req;
    const allowed = methodsOf(path).join(', ');
    if (allowed === '') {
      const detail = `There is no ${method} ${path}: see /docs for what there is`;
      return respondWithProblem(context, { status: 404, code: 'route-not-found', title: 'Route Not Found', detail });
    }
    context.header('Allow', allowed);
    const detail = `${method} is not among the methods of ${path}: ${allowed}`;
    return respondWithProblem(context, { status: 405, code: 'method-not-allowed', detail });
  };
}

function expectedProblem(error: Error): Problem | undefined {
  if (error instanceof PayloadTooLargeError) return { status: 413, code: 'payload-too-large', detail: error.message };
  const failure = expectedFailure(error);
  if (failure === undefined) return undefined;
  const status = statusOf[failure.code];
  if (status === undefined) return undefined;
  const code = failure.code.toLowerCase().replaceAll('_', '-');
  if (failure instanceof InvalidInputError) return { status, code, ...faultsOf(failure.issues) };
  const problem = { status, code, detail: failure.message };
  if (!(failure instanceof RateLimitedError || failure instanceof UnavailableError)) return problem;
  return { ...problem, retryAfterSeconds: failure.retryAfterSeconds };
}

const statusOf: Readonly<Record<string, ProblemStatus>> = Object.freeze({
  INVALID_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  UNAVAILABLE: 503,
});

/** A person reads a few faults; a batch of the wrong shape has thousands. */
const MAX_FAULTS = 100;
const MAX_FAULTS_IN_DETAIL = 3;

function faultsOf(issues: readonly InputIssue[]): { detail: string; more: Partial<ProblemBody> } {
  const first = issues.slice(0, MAX_FAULTS_IN_DETAIL).map(told).join('; ');
  const rest = issues.length - MAX_FAULTS_IN_DETAIL;
  const index = issues.map((issue) => issue.path[0]).find((part) => typeof part === 'number');
  return {
    detail: rest > 0 ? `${first}; and ${issues.length > MAX_FAULTS ? 'at least ' : ''}${rest} more` : first,
    more: {
      errors: issues
        .slice(0, MAX_FAULTS)
        .map(({ path, message }) => ({ pointer: clipped(pointerOf(path)), message: clipped(message) })),
      ...(index !== undefined && { index }),
    },
  };
}

function told({ path: [first, ...inner], message }: InputIssue): string {
  if (first === undefined) return message;
  const outer = typeof first === 'number' ? `index ${first}` : first;
  return `${[outer, ...inner].join('.')}: ${message}`;
}

/** RFC 6901: `~` and `/` within a name are escaped. */
function pointerOf(path: InputIssue['path']): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function unexpected(requestId: string): Problem {
  return {
    status: 500,
    code: 'internal',
    detail: `Something unexpected happened in the server. Its log has more under the request id ${requestId}.`,
    more: { request_id: requestId },
  };
}
