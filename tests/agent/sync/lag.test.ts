import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLag } from '../../../agent/sync/lag.ts';

const ids = fc.constantFrom('a', 'b', 'c', 'd');
const steps = fc.array(
  fc.record({
    afterMs: fc.nat(10_000),
    act: fc.oneof(
      fc.record({ kind: fc.constant('looked' as const), dirty: fc.uniqueArray(ids) }),
      fc.record({ kind: fc.constant('published' as const), id: ids }),
    ),
  }),
);

test('the lag is the age of the oldest change that was seen and not published since', () => {
  fc.assert(
    fc.property(steps, fc.nat(10_000), (history, later) => {
      const lag = createLag();
      let now = 0;
      /** Each file's own history: since when it has been dirty in every look, without a publication in between. */
      const since = new Map<string, number>();
      for (const { afterMs, act } of history) {
        now += afterMs;
        if (act.kind === 'published') {
          lag.published(act.id);
          since.delete(act.id);
        } else {
          lag.looked(act.dirty, now);
          for (const id of ['a', 'b', 'c', 'd'] as const) {
            if (!act.dirty.includes(id)) since.delete(id);
            else if (!since.has(id)) since.set(id, now);
          }
        }
      }
      now += later;
      expect(lag.oldestMs(now)).toBe(since.size === 0 ? 0 : now - Math.min(...since.values()));
    }),
  );
});
