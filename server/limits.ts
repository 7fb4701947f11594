import { GraphQLError } from 'graphql';
import { z } from 'zod';
import { numberText } from '../lib/number-text.ts';

const bound = (preset: number, description: string) =>
  numberText({ whole: true, min: 1, max: 2_147_483_647 }).default(preset).describe(description);

/** What one client may ask of one server, each by the variable that changes it. */
export const limitVariables = {
  KELPIE_MAX_QUERY_DEPTH: bound(12, 'levels of fields in an operation'),
  KELPIE_MAX_ALIASES: bound(50, 'fields under another name in an operation'),
  KELPIE_MAX_QUERY_CHARACTERS: bound(100_000, 'characters in a document (what is long goes into its variables)'),
  KELPIE_MAX_ROOT_FIELDS: bound(20, 'fields in an operation that are in no other'),
  KELPIE_MAX_TOKENS: bound(5_000, 'tokens in a document'),
  KELPIE_MAX_NODES: bound(100_000, 'elements of lists in an operation, lists within lists multiplied'),
  KELPIE_MAX_READ_BYTES: bound(33_554_432, 'bytes that an operation reads from the database, or shows'),
  KELPIE_MAX_VARIABLES_DEPTH: bound(32, 'levels of lists and objects in an operation’s variables'),
  KELPIE_MAX_BODY_BYTES: bound(33_554_432, 'bytes in the body of a request'),
  KELPIE_MAX_BODIES_BYTES: bound(
    268_435_456,
    'bytes of bodies, and of messages on sockets, that a server reads at once',
  ),
  KELPIE_MAX_ACCOUNT_BODIES_BYTES: bound(67_108_864, 'bytes of bodies of one account at once'),
  KELPIE_MAX_MESSAGE_BYTES: bound(2_097_152, 'bytes in a message on a socket (more: HTTP)'),
  KELPIE_MAX_STREAMS_PER_KEY: bound(100, 'GraphQL subscriptions over server-sent events with one key'),
  KELPIE_MAX_SOCKETS_PER_KEY: bound(2_000, 'websockets with one key'),
  KELPIE_MAX_SUBSCRIPTIONS_PER_SOCKET: bound(100, 'subscriptions on a socket'),
  KELPIE_MAX_OPERATIONS_PER_SOCKET: bound(200, 'operations at once on a socket, subscriptions included'),
  KELPIE_MAX_UNREAD_BYTES: bound(268_435_456, 'bytes of answers, over sockets as well, that nobody has read yet'),
  KELPIE_MAX_CONNECTIONS: bound(20_000, 'connections to a server'),
} as const;

export type Limits = z.output<z.ZodObject<typeof limitVariables>>;
export type LimitName = keyof Limits;

export const defaultLimits: Limits = Object.freeze(z.object(limitVariables).parse({}));

/** Says which bound was exceeded, how high it is, and by what it can be changed. */
export function exceeded(limits: Limits, name: LimitName, got: number | 'more'): string {
  return `Expected at most ${limits[name]} ${limitVariables[name].description ?? ''}, got ${got} (${name}): ask for less at once`;
}

/** The same, as the fault of an operation. */
export function limitError(limits: Limits, name: LimitName, got: number | 'more'): GraphQLError {
  return new GraphQLError(exceeded(limits, name, got), {
    extensions: { code: 'LIMIT_EXCEEDED', limit: name, max: limits[name] },
  });
}
