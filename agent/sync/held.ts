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
  /** Lets go of all but these. */
  keepOnly(isKept: (id: string) => boolean): void;
  /** Lets go of all, and resolves when that is done. No `publish` may be under way. */
  letGo(): Promise<void>;
}

/** Whether a file of this state that did not change since then, a time of the monotonic clock, may be taken for finished. */
export type HasRested = (id: string, state: Observed, since: number) => boolean;

/** An open file keeps its place on the disk, and a process may have only so many. */
const HELD_AT_MOST = 64;

interface HeldFile extends OpenFile {
  since: number;
}

export function createHeldFiles(): HeldFiles {
  const held = new Map<string, HeldFile>();
  const closing = new Set<Promise<void>>();

  const close = ({ handle }: OpenFile): void => {
    // Nothing was written to it, so a failure loses nothing.
    const closed: Promise<void> = handle.close().catch(() => undefined);
    closing.add(closed);
    void closed.then(() => closing.delete(closed));
  };
  const take = (id: string): HeldFile | undefined => {
    const file = held.get(id);
    held.delete(id);
    return file;
  };
  const open = async ({ source, signal }: Publication): Promise<HeldFile | undefined> => {
    const opened = await openSettled(source, signal);
    return opened === undefined ? undefined : { ...opened, since: performance.now() };
  };
  const keepOnly = (isKept: (id: string) => boolean): void => {
    for (const [id, file] of held) {
      if (isKept(id)) continue;
      held.delete(id);
      close(file);
    }
  };
  return {
    async publish(id, publication, hasRested) {
      const file = take(id) ?? (held.size < HELD_AT_MOST ? await open(publication) : 'none');
      if (file === 'none') return { kind: 'changed' };
      if (file === undefined) return { kind: 'gone' };
      if (!hasRested(id, file.state, file.since)) {
        held.set(id, file);
        return { kind: 'changed' };
      }
      try {
        return await publishHeld(publication, file);
      } finally {
        close(file);
      }
    },
    sizeOf: (id) => held.get(id)?.state.size,
    keepOnly,
    async letGo() {
      keepOnly(() => false);
      await Promise.all(closing);
    },
  };
}
