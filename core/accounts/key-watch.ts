import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import type { Viewer } from './keys.ts';

const validStatement = statement<{ ids: readonly string[] }, { id: string }>('valid-keys');

/** Looks after what is open for long under a key: a key is checked at the door, and may be revoked, or expire, behind it. */
export interface KeyWatch {
  /** Calls `onEnd`, once, when the viewer's key may no longer be used. @returns ends the watching */
  follow(viewer: Viewer, onEnd: () => void): () => void;
  /** Looks at all followed keys in one query. */
  runOnce(): Promise<{ ended: number }>;
}

export function createKeyWatch(core: Core): KeyWatch {
  const followers = new Map<string, Set<() => void>>();
  return {
    follow(viewer, onEnd) {
      // A function of its own for each: one and the same may be given twice.
      const follower = (): void => onEnd();
      const ofKey = followers.get(viewer.keyId) ?? new Set();
      followers.set(viewer.keyId, ofKey.add(follower));
      return () => {
        ofKey.delete(follower);
        if (ofKey.size === 0 && followers.get(viewer.keyId) === ofKey) followers.delete(viewer.keyId);
      };
    },
    async runOnce() {
      const ids = [...followers.keys()];
      if (ids.length === 0) return { ended: 0 };
      const valid = new Set((await validStatement(core.em.fork(), { ids })).map(({ id }) => id));
      const gone = ids.filter((id) => !valid.has(id));
      for (const id of gone) {
        const ofKey = followers.get(id);
        followers.delete(id);
        ofKey?.forEach((onEnd) => onEnd());
      }
      return { ended: gone.length };
    },
  };
}
