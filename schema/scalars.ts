import { GraphQLError } from 'graphql';
import { MOST_MEMBERS, placeOfCrowd, placeOfProto } from '../lib/proto.ts';
import { builder } from './builder.ts';

builder.scalarType('DateTime', {
  description: 'A moment, ISO 8601 in UTC with milliseconds: 2026-04-19T18:53:31.000Z.',
  serialize: (date) => date.toISOString(),
  parseValue: (value) => {
    const date = new Date(String(value));
    if (typeof value !== 'string' || Number.isNaN(date.getTime())) throw expected('an ISO 8601 moment', value);
    return date;
  },
});

builder.scalarType('JSONObject', {
  description: 'A JSON object.',
  serialize: (value) => value,
  parseValue: (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw expected('a JSON object', value);
    // Once for a variable, which each of an operation's fields may name and would look through.
    const crowd = placeOfCrowd(value, MOST_MEMBERS);
    if (crowd !== undefined)
      throw new GraphQLError(
        `Expected at most ${MOST_MEMBERS} entries${crowd.length > 0 ? ` at ${crowd.join('.')}` : ''}`,
      );
    // What reads it further on would leave the member out without a word.
    const hidden = placeOfProto(value);
    if (hidden !== undefined)
      throw new GraphQLError(`The name at ${hidden.join('.')} cannot be used: choose another one`);
    return { ...value };
  },
});

builder.scalarType('BigInt', {
  description: 'A whole number of any size, as a decimal string; a JSON number is taken too.',
  serialize: (value) => value,
  parseValue: (value) => {
    if (!/^\d{1,18}$/.test(String(value))) throw expected('a whole number of at most 18 digits', value);
    return String(value);
  },
});

builder.scalarType('URL', { description: 'An http or https URL.', serialize: (value) => value, parseValue: string });

builder.scalarType('Cursor', {
  description: 'A place in a feed of events. Its text means nothing to a client.',
  serialize: (value) => value,
  parseValue: string,
});

function string(value: unknown): string {
  if (typeof value !== 'string') throw expected('a string', value);
  return value;
}

function expected(what: string, got: unknown): GraphQLError {
  return new GraphQLError(`Expected ${what}, got ${JSON.stringify(got).slice(0, 100)}`);
}
