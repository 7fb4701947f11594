import { storable } from '../../lib/storable.ts';

/** Two files of one attempt that would become the same object: only one of them can be in the bucket. */
export interface Collision {
  id: string;
  /** Absolute paths: of the file that the bucket has, or gets, */
  kept: string;
  /** and of the one that it has not. */
  lost: string;
}

/** The first of the attempt, and how many objects there are of the kind. */
export interface Collisions {
  note(collision: Collision): void;
  /** For a person; undefined while there are none. */
  warning(): string | undefined;
}

/** Characters that the server takes. */
const LONGEST = 500;
/** Longer ones are cut in the middle: what a path begins and ends with tells it from others. */
const LONGEST_NAME = 110;

export function createCollisions(): Collisions {
  const ids = new Set<string>();
  let first: Collision | undefined;
  return {
    note(collision) {
      first ??= collision;
      ids.add(collision.id);
    },
    warning() {
      if (first === undefined) return undefined;
      const { id, kept, lost } = first;
      const rest = ids.size > 1 ? ` (and ${ids.size - 1} more such)` : '';
      const what = `${shortened(kept)} and ${shortened(lost)} would both be the object ${shortened(id)}, which holds the first`;
      return storable(
        `${what}${rest}: give the entries of sync prefixes, or patterns, that keep their files apart`,
      ).slice(0, LONGEST);
    },
  };
}

function shortened(text: string): string {
  if (text.length <= LONGEST_NAME) return text;
  const half = LONGEST_NAME / 2;
  return `${text.slice(0, half)}…${text.slice(-half + 1)}`;
}
