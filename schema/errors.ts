import { GraphQLError } from 'graphql';
import {
  ConflictError,
  ForbiddenError,
  InvalidInputError,
  LeaseLostError,
  LimitExceededError,
  NotFoundError,
  RateLimitedError,
  UnavailableError,
  type InputIssue,
  type KelpieError,
} from '../core/errors.ts';
import { expectedFailure } from '../core/expected.ts';
import { builder } from './builder.ts';

export const Failure = builder.interfaceRef<KelpieError>('Failure').implement({
  description: 'An expected failure. Its message is for a person, its code for a program.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Stays the same whatever the message says.' }),
    message: t.exposeString('message', { description: 'What was expected, what came, and what to do.' }),
  }),
});

const InputIssueRef = builder.objectRef<InputIssue>('InputIssue').implement({
  description: 'One fault in an input.',
  fields: (t) => ({
    path: t.stringList({
      description: 'Where it is, from the outermost field inwards.',
      resolve: (issue) => issue.path.map(String),
    }),
    message: t.exposeString('message', { description: 'What was expected there.' }),
  }),
});

builder.objectType(InvalidInputError, {
  name: 'InvalidInput',
  description: 'The input cannot be taken. Nothing was stored.',
  interfaces: [Failure],
  fields: (t) => ({
    issues: t.field({
      type: [InputIssueRef],
      description: 'Every fault and its place; of what is wrong throughout, the first hundred or so.',
      resolve: (error) => error.issues,
    }),
  }),
});

builder.objectType(NotFoundError, {
  name: 'NotFound',
  description: 'There is no such thing in the account.',
  interfaces: [Failure],
});

builder.objectType(ForbiddenError, {
  name: 'Forbidden',
  description: 'The presented credentials do not allow this.',
  interfaces: [Failure],
});

builder.objectType(ConflictError, {
  name: 'Conflict',
  description: 'What was asked contradicts what is.',
  interfaces: [Failure],
});

builder.objectType(LeaseLostError, {
  name: 'LeaseLost',
  description: 'A newer attempt exists or the job has ended: stop the command and upload nothing more.',
  interfaces: [Failure],
  fields: (t) => ({
    canceled: t.exposeBoolean('isCanceled', {
      description: 'A cancel is why: nobody else does the job, so the command may be given time to end by itself.',
    }),
  }),
});

/**
 * What a client sees of an error that is not in a union: an expected one as itself with its code; anything else is masked, and
 * logged by the server.
 */
export function publicError(error: unknown): GraphQLError | undefined {
  const original = error instanceof GraphQLError ? error.cause : error;
  const failure = expectedFailure(original);
  if (failure !== undefined) {
    return new GraphQLError(failure.message, {
      ...(error instanceof GraphQLError && {
        nodes: error.nodes ?? null,
        source: error.source ?? null,
        positions: error.positions ?? null,
        path: error.path ?? null,
      }),
      extensions: { code: failure.code, ...detailsOf(failure) },
    });
  }
  // GraphQL's own: a syntax error, an unknown field, a variable of the wrong type (around a scalar's own fault).
  return error instanceof GraphQLError && (original == null || original instanceof GraphQLError) ? error : undefined;
}

function detailsOf(failure: KelpieError): Record<string, unknown> {
  if (failure instanceof InvalidInputError) return { issues: failure.issues };
  if (failure instanceof LimitExceededError) return { limit: failure.limit, max: failure.max };
  if (failure instanceof RateLimitedError || failure instanceof UnavailableError) {
    return { retryAfterSeconds: failure.retryAfterSeconds };
  }
  return {};
}
