import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keepLastLines } from '../../lib/last-lines.ts';

test('the last lines are the same however the stream is cut', () => {
  const line = fc.stringMatching(/^[a-zé€ ]{0,6}[a-zé€]$/);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.array(fc.nat(100), { maxLength: 8 }), (lines, cuts) => {
      const stream = Buffer.from(lines.join('\n'));
      const kept = keepLastLines(5, 100);
      const bounds = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b), stream.length];
      for (let i = 1; i < bounds.length; i++) kept.push(stream.subarray(bounds[i - 1], bounds[i]));
      expect(kept.lines()).toEqual(lines.slice(-5));
    }),
  );
});

test('a progress bar that redraws its line is many lines, of which the last are kept', () => {
  const kept = keepLastLines(2, 100);
  kept.push(Buffer.from('10 %\r50 %\r90 %\rdone\r\n'));
  expect(kept.lines()).toEqual(['90 %', 'done']);
});

test('a line without end is kept by its end', () => {
  const kept = keepLastLines(2, 10);
  for (let i = 0; i < 100; i++) kept.push(Buffer.alloc(1000, 'x'));
  kept.push(Buffer.from('the end'));
  expect(kept.lines()).toEqual(['xxxthe end']);
});
