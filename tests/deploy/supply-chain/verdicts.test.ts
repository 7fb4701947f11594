import { describe, expect, test } from 'vitest';
import { auditOf, licenseFaults, licenseList, parseBill } from '../../../deploy/supply-chain/verdicts.ts';

const component = (name: string, ...licenses: object[]) => ({ name, version: '1.0.0', licenses });
const billOf = (...components: object[]) => parseBill(JSON.stringify({ bomFormat: 'CycloneDX', components }));
const id = (text: string) => ({ license: { id: text } });

describe('licences', () => {
  test('that ask for nothing but to be named are fine, alone or as a choice', () => {
    const bill = billOf(
      component('a', id('MIT')),
      component('b', { expression: '(MIT OR GPL-3.0-only)' }),
      component('c', id('ISC'), id('Apache-2.0')),
    );
    expect(licenseFaults(bill)).toEqual([]);
    expect(licenseList(bill)).toBe('a 1.0.0 MIT\nb 1.0.0 (MIT OR GPL-3.0-only)\nc 1.0.0 ISC AND Apache-2.0\n');
  });

  test.for([
    ['GPL-3.0-only', id('GPL-3.0-only')],
    ['(MIT AND GPL-3.0-only)', { expression: '(MIT AND GPL-3.0-only)' }],
    ['SEE LICENSE IN x', { license: { name: 'SEE LICENSE IN x' } }],
    ['none', undefined],
  ] as const)('are a fault: %s', ([text, license]) => {
    const bill = billOf(component('a', ...(license === undefined ? [] : [license])));
    expect(licenseFaults(bill)).toEqual([expect.stringMatching(/^a 1\.0\.0: expected a licence of MIT, /)]);
    expect(licenseFaults(bill)[0]).toContain(`got ${text}`);
  });
});

describe('known weaknesses', () => {
  const isShipped = (place: string) => place !== 'node_modules/tool';

  test('are faults when they are grave, of what is shipped', () => {
    const vulnerabilities = {
      a: { severity: 'critical', range: '<2', nodes: ['node_modules/tool', 'node_modules/b/node_modules/a'] },
      b: { severity: 'low', range: '*', nodes: ['node_modules/b'] },
      tool: { severity: 'high', range: '*', nodes: ['node_modules/tool'] },
    };
    const answer = auditOf(JSON.stringify({ vulnerabilities }), isShipped);
    expect(answer).toEqual({ faults: [expect.stringContaining('a <2')] });
  });

  test('are not known where the registry does not tell, and its address is kept to ourselves', () => {
    const refusal = { message: '405 - POST https://registry.example/audit', statusCode: 405 };
    const answer = auditOf(JSON.stringify(refusal), isShipped);
    expect(answer).toEqual({ unknown: '405 - POST the registry' });
  });
});
