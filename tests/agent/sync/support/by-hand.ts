import { createDisks } from '../../../../agent/sync/disks.ts';
import { createEntry } from '../../../../agent/sync/entry.ts';
import { createGate } from '../../../../agent/sync/gate.ts';
import type { Ledger } from '../../../../agent/sync/ledger.ts';
import { createMirror, type Mirror } from '../../../../agent/sync/mirror.ts';
import { createObservation } from '../../../../agent/sync/observation.ts';
import { createPlaces } from '../../../../agent/sync/places.ts';
import type { SettleTimes } from '../../../../agent/sync/settle.ts';
import { type Asking, askingUntil } from '../../../../agent/sync/silence.ts';
import { always, type Bench, instruction } from './bench.ts';

export interface ByHand extends SettleTimes {
  /** MiB of files on their way at once. */
  concurrency?: number;
  /** By which the directory is looked at. */
  asking?: Asking;
}

/** What mirrors the directory `run` to `prefix`, without who decides when to look: that the test does. */
export function mirrorByHand(
  bench: Bench,
  prefix: string,
  { concurrency = 8, asking = askingUntil(always), ...times }: ByHand,
): Mirror {
  const { store } = bench;
  const entry = createEntry(instruction('UPLOAD', prefix, 'run'), bench.directory(), false);
  const ledger: Ledger = new Map();
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const roots = [entry.root];
  const { aside } = createPlaces({ roots, keep: [], jobId: 'a-job', asides: new Set(), ledger, asking, log });
  const { mirroring: observer } = createObservation({ mirrors: true, store: store.name });
  const policy = { maxRetries: 1, log };
  const disks = createDisks(60_000);
  return createMirror({
    ...{ store, policy, entries: [entry], ledger, aside, disks, gate: createGate(), times, concurrency, observer },
  });
}

const ignore = () => undefined;
