import { expect, test } from 'vitest';
import { createPlaces } from '../../lib/places.ts';

test('so many of a name get in, whoever else is there; a place that is given back, once or twice, is one place', () => {
  const places = createPlaces(2);
  const [first] = [places.take('one'), places.take('one')];
  expect(places.take('one')).toBeUndefined();
  expect(places.take('another')).toBeTypeOf('function');
  first?.();
  first?.();
  expect(places.take('one')).toBeTypeOf('function');
  expect(places.take('one')).toBeUndefined();
});
