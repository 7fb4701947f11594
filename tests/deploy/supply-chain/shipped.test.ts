import { describe, expect, test } from 'vitest';
import { shippedBill, shippedPlaces } from '../../../deploy/supply-chain/shipped.ts';

const component = (name: string, ...properties: string[]) => ({
  'bom-ref': `${name}@1.0.0`,
  name,
  version: '1.0.0',
  purl: `pkg:npm/${name}@1.0.0`,
  properties: properties.map((property) => ({ name: `cdx:npm:package:${property}`, value: 'true' })),
});
const depends = (name: string, ...on: string[]) => ({
  ref: `${name}@1.0.0`,
  dependsOn: on.map((one) => `${one}@1.0.0`),
});
const text = (components: object[], dependencies: object[] = []) =>
  JSON.stringify({ bomFormat: 'CycloneDX', components, dependencies });

const everything = text(
  [
    component('pg'),
    component('react', 'development'),
    component('vite', 'development'),
    component('left', 'extraneous'),
  ],
  [depends('kelpie', 'pg', 'react', 'vite'), depends('pg'), depends('react', 'vite'), depends('vite')],
);
const production = text([component('pg'), component('left', 'extraneous')]);
const react = [{ name: 'react', version: '1.0.0' }];

describe('the bill of materials', () => {
  test('has what runs on servers and what browsers get, each as npm describes it, and nothing else', () => {
    expect(JSON.parse(shippedBill(everything, production, react))).toEqual({
      bomFormat: 'CycloneDX',
      components: [component('pg'), component('react')],
      dependencies: [depends('kelpie', 'pg', 'react'), depends('pg'), depends('react')],
    });
  });

  test('is not made when something is in the bundle that is not installed', () => {
    const other = [{ name: 'react', version: '2.0.0' }];
    expect(() => shippedBill(everything, production, other)).toThrow('installed: react@2.0.0');
  });
});

test('a place is shipped unless npm’s lock file has it for development alone, and the bundle does not have it', () => {
  const packages = {
    'node_modules/pg': { version: '1.0.0' },
    'node_modules/react': { version: '1.0.0', dev: true },
    'node_modules/vite': { version: '1.0.0', dev: true },
    'node_modules/vite/node_modules/react': { version: '0.9.0', dev: true },
  };
  const isShipped = shippedPlaces(JSON.stringify({ packages }), react);
  expect(Object.keys(packages).filter(isShipped)).toEqual(['node_modules/pg', 'node_modules/react']);
  expect(isShipped('node_modules/unknown')).toBe(true);
});
