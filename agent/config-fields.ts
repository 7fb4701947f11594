import { z } from 'zod';
import { numberText } from '../lib/number-text.ts';
import { METADATA_URL } from './imds.ts';

/** Said of a service that is not to be looked for. */
export const NONE = 'none';

export function required(meaning: string) {
  return z
    .string({ error: `expected ${meaning}` })
    .trim()
    .min(1, `expected ${meaning}`);
}

export function flag(rule: { otherwise: boolean }) {
  return z.stringbool({ error: 'expected true or false' }).default(rule.otherwise);
}

/** Of any other, requests would fail with errors that show it. */
export function apiKey() {
  return z
    .string()
    .trim()
    .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'expected a key on one line, of characters that a header can carry')
    .optional();
}

/** As Salad has them: what a server reads from a header. */
export function saladProject() {
  return z
    .string()
    .regex(/^[A-Za-z0-9-]{1,63}$/, 'expected the name of a project of Salad’s: 1 to 63 letters, digits and hyphens')
    .optional();
}

/** No https: the service is on this machine, and nobody has a certificate for its address. */
export function metadataAddress() {
  const expected = `expected an http URL, or ${NONE}`;
  return z
    .literal(NONE, { error: expected })
    .or(z.url({ protocol: /^http$/, error: expected }))
    .default(METADATA_URL);
}

/** Megabits a second. Below the least, no part would arrive before the store had lost its patience. */
export function rate() {
  return numberText({ whole: false, min: 0.1 }).optional();
}

/** From the server's address, with or without scheme, to its websocket. */
export function serverAddress() {
  const expected = 'expected a host or an http or https URL, such as kelpie.example or http://localhost:3000';
  return z.string().transform((text, context) => {
    const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
    if (url === null || !['http:', 'https:'].includes(url.protocol)) {
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    }
    const path = url.pathname.replace(/(?<!\/)\/+$/, '');
    return `${url.protocol === 'https:' ? 'wss:' : 'ws:'}//${url.host}${path}/graphql`;
  });
}
