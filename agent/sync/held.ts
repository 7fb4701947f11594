import { openSettled, type OpenFile } from './open-file.ts';
import type { Observed } from './scan.ts';
import { type Outcome, type Publication, publishHeld } from './transfer.ts';

/**
 * Files that are replaced all the time, so that what has the name never rests for as long as it has it. Whoever replaces files need not
 * leave them alone afterwards: that a state is a whole one is not believed, but seen. A pass opens what has the name and holds on to
 * that, and a later one publishes it if it rested, whatever has the name by then. All that was written before it was seen by that pass,
 * so it follows what it may name.
 */
export interface HeldFiles {
  /** Publishes what is held of this file if it `hasRested`; otherwise holds what is there: `changed`. */
  publish(id: string, publication: Publication, hasRested: HasRested): Promise<Outcome>;
  /** Bytes of what is held of this file, if anything is. */
  sizeOf(id: string): number | undefined;
  /**
   * Takes in what a look saw: lets go of all but those that `isKept` names, and gives turns to these that want to be held, whoever waits for the
   * longest first. `wanting`: since when each was not published, a time of the monotonic clock.
   */
  giveTurns(wanting: ReadonlyMap<string, number>, isKept: (id: string) => boolean): void;
  /** Lets go of all, and resolves when that is done. No `publish` may be under way. */
  letGo(): Promise<void>;
}

/** Whether a file of this state that did not change since then, a time of the monotonic clock, may be taken for finished. */
export type HasRested = (id: string, state: Observed, since: number) => boolean;

/** An open file keeps its place on the disk, and a process may have only so many. */
const HELD_AT_MOST = 64;

interface HeldFile extends OpenFile {
  since: number;
  /** Looks in a row after which it was not wanted. */
  idleLooks: number;
}

/** After one look it may only have seemed to be written over, as a new file may get the number of an old one. */
const IDLE_LOOKS = 1;

/** @param atMost how many files are held open at once */
export function createHeldFiles(atMost = HELD_AT_MOST): HeldFiles {
  const held = createHold();
  const turns = createTurns(atMost);
  let opening = 0;

  /** Resolves to whether there is such a file. */
  const hold = async (id: string, { source, answered, signal }: Publication): Promise<boolean> => {
    opening += 1;
    try {
      const opened = await openSettled(source, answered, signal);
      const since = performance.now();
      turns.hadAt(id, since);
      if (opened !== undefined) held.files.set(id, { ...opened, since, idleLooks: 0 });
      return opened !== undefined;
    } finally {
      opening -= 1;
    }
  };
  return {
    async publish(id, publication, hasRested) {
      if (!held.files.has(id)) {
        if (!turns.isNext(id) || held.files.size + opening >= atMost) return { kind: 'changed' };
        if (!(await hold(id, publication))) return { kind: 'gone' };
      }
      const file = held.files.get(id);
      if (file === undefined || !hasRested(id, file.state, file.since)) return { kind: 'changed' };
      held.files.delete(id);
      try {
        return await publishHeld(publication, file);
      } finally {
        held.close(file);
      }
    },
    sizeOf: (id) => held.files.get(id)?.state.size,
    giveTurns(wanting, isKept) {
      held.letGoOf((id) => !isKept(id));
      for (const [id, file] of held.files) file.idleLooks = wanting.has(id) ? 0 : file.idleLooks + 1;
      const waiting = [...wanting].filter(([id]) => !held.files.has(id));
      turns.give(waiting, isKept);
      if (held.files.size + waiting.length > atMost) held.letGoOf((_, { idleLooks }) => idleLooks > IDLE_LOOKS);
    },
    async letGo() {
      held.letGoOf(() => true);
      await held.closed();
    },
  };
}

function createHold() {
  const files = new Map<string, HeldFile>();
  const closing = new Set<Promise<void>>();
  const close = ({ handle }: OpenFile): void => {
    // Nothing was written to it, so a failure loses nothing.
    const closed: Promise<void> = handle.close().catch(() => undefined);
    closing.add(closed);
    void closed.then(() => closing.delete(closed));
  };
  return {
    files,
    close,
    letGoOf(isUnwanted: (id: string, file: HeldFile) => boolean): void {
      for (const [id, file] of files) {
        if (!isUnwanted(id, file)) continue;
        files.delete(id);
        close(file);
      }
    },
    closed: () => Promise.all(closing),
  };
}

/** Whose turn it is: of those that wait, who was first seen, or last had a turn, the longest ago. */
function createTurns(atMost: number) {
  let next: ReadonlySet<string> = new Set();
  const lastHad = new Map<string, number>();
  return {
    isNext: (id: string) => next.has(id),
    hadAt: (id: string, time: number) => void lastHad.set(id, time),
    give(waiting: readonly (readonly [id: string, since: number])[], isKept: (id: string) => boolean): void {
      // A job that names each file anew must not make this grow for as long as it runs.
      for (const id of lastHad.keys()) if (!isKept(id)) lastHad.delete(id);
      const since = new Map(waiting.map(([id, first]) => [id, Math.max(first, lastHad.get(id) ?? first)]));
      const inOrder = [...since].sort(([, a], [, b]) => a - b).map(([id]) => id);
      next = new Set(inOrder.slice(0, atMost));
    },
  };
}
