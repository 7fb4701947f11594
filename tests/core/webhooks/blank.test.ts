import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blanked } from '../../../core/webhooks/blank.ts';

const KEY = 'kelpie_q8Zt-3_xVb7Lw2Nn5Kp9';
const SIGNATURE = 'o2u/XK1+b4e9Jd0QmW5yTz7fCvA8sGh3LrPnBxE6kIY=';
const whole = { isCut: false };

const escapes: [string, (text: string) => string][] = [
  ['as it is', (text) => text],
  ['in capitals', (text) => text.toUpperCase()],
  ['escaped as in a URL', encodeURIComponent],
  [
    'escaped as in a URL, each character',
    (text) =>
      Array.from(text)
        .map((one) => `%${hexOf(one)}`)
        .join(''),
  ],
  ['in JSON', (text) => JSON.stringify({ 'x-kelpie-key': text })],
  ['in PHP’s JSON', (text) => JSON.stringify(text).replaceAll('/', '\\/')],
  [
    'in JSON, each character',
    (text) =>
      Array.from(text)
        .map((one) => `\\u00${hexOf(one)}`)
        .join(''),
  ],
  ['in HTML', (text) => text.replaceAll('+', '&#43;').replaceAll('/', '&#x2F;').replaceAll('=', '&#x3D;')],
  ['in hexadecimal digits', (text) => Buffer.from(text).toString('hex').toUpperCase()],
  ['in base64', (text) => Buffer.from(text).toString('base64')],
  ['in base64 of a URL', (text) => Buffer.from(text).toString('base64url')],
  ['in base64 that is escaped as in a URL', (text) => encodeURIComponent(Buffer.from(text).toString('base64'))],
];

describe.each([
  ['a key', KEY],
  ['a signature', SIGNATURE],
])('%s', (_name, secret) => {
  test.each(escapes)('%s is blanked', (_how, escape) => {
    const said = blanked(`before ${escape(secret)} after`, [secret], whole);
    expect(said).toMatch(/^before .*\[secret\].* after$/);
    // What is left of base64 are the ends, which hold less than a character.
    expect(said.length).toBeLessThan('before {"x-kelpie-key":"[secret]xx=="} after'.length);
  });

  test('is blanked within what was encoded together with it, wherever it stands', () => {
    for (const before of ['', 'k', 'ke', 'key', 'a longer text']) {
      for (const alphabet of ['base64', 'base64url'] as const) {
        const encoded = Buffer.from(`${before}${secret}, and so on`).toString(alphabet);
        expect(blanked(encoded, [secret], whole)).toContain('[secret]');
        expect(Buffer.from(blanked(encoded, [secret], whole), alphabet).toString()).not.toContain(secret.slice(4, -4));
      }
    }
  });

  test('that only begins where a text is cut off is blanked, wherever that is', () => {
    for (const [how, escape] of escapes) {
      const escaped = escape(secret);
      for (let length = 32; length <= escaped.length; length += 1) {
        expect(blanked(`before ${escaped.slice(0, length)}`, [secret], { isCut: true }), how).toContain('[secret]');
      }
    }
  });
});

test('a text that ends is left as it is where it only looks like the beginning of a secret', () => {
  expect(blanked('sent by kelpie_', [KEY], whole)).toBe('sent by kelpie_');
});

test('several secrets are blanked, and nothing where there is none', () => {
  expect(blanked(`${KEY} ${SIGNATURE} ${KEY}`, [SIGNATURE, KEY], whole)).toBe('[secret] [secret] [secret]');
  expect(blanked('all of it', ['', ''], { isCut: true })).toBe('all of it');
});

test('whatever the secret and what stands around it, the secret is gone, and what has none of it stays', () => {
  const secrets = fc
    .string({ minLength: 8, maxLength: 40, unit: 'binary' })
    .filter((text) => !'[secret]'.includes(text));
  fc.assert(
    fc.property(secrets, fc.string(), fc.string(), fc.boolean(), (secret, before, after, isCut) => {
      const said = blanked(before + secret + after, [secret], { isCut });
      expect(said.includes(secret)).toBe(false);
      expect(blanked('0 1 2 3', [`x${secret}`], whole)).toBe('0 1 2 3');
    }),
    { numRuns: 30 },
  );
});

function hexOf(one: string): string {
  return one.charCodeAt(0).toString(16).padStart(2, '0');
}
