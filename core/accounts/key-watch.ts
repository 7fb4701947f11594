import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import type { Viewer } from './keys.ts';

const validStatement = statement<{ ids: readonly string[] }, { id: string }>('valid-keys');

/** Why what is open must end. */
export type KeyEnd = 'REVOKED' | 'OVER';

/** For whoever had it open. */
export const endMessages: Readonly<Record<KeyEnd, string>> = Object.freeze({
  REVOKED: 'The API key was revoked, or has expired, or its account is gone',
  OVER: 'The credentials are over, or must be looked at again: connect again, with new ones where they have expired',
});

/** Looks after what is open for long under a key: a key is checked at the door, and may be revoked, or expire, behind it. */
export interface KeyWatch {
  /** Calls `onEnd`, once, when the viewer's credentials may no longer be used. @returns ends the watching */
  follow(viewer: Viewer, onEnd: (why: KeyEnd) => void): () => void;
  /** Looks at all followed keys in one query. */
  runOnce(): Promise<{ ended: number }>;
}

interface Follower {
  until: number | undefined;
  onEnd: (why: KeyEnd) => void;
}

export function createKeyWatch(core: Core): KeyWatch {
  const followers = new Map<string, Set<Follower>>();

  const unfollow = (keyId: string, follower: Follower): void => {
    const ofKey = followers.get(keyId);
    ofKey?.delete(follower);
    if (ofKey?.size === 0) followers.delete(keyId);
  };
  /** Those whose own time has come, whatever becomes of the key. @returns how many */
  const endThoseOver = (): number => {
    const over = [...followers].flatMap(([keyId, ofKey]) =>
      [...ofKey].filter(isOver).map((follower) => ({ keyId, follower })),
    );
    for (const { keyId, follower } of over) {
      unfollow(keyId, follower);
      follower.onEnd('OVER');
    }
    return over.length;
  };

  return {
    follow(viewer, onEnd) {
      const follower = { until: viewer.until, onEnd };
      followers.set(viewer.keyId, (followers.get(viewer.keyId) ?? new Set()).add(follower));
      return () => unfollow(viewer.keyId, follower);
    },
    async runOnce() {
      const over = endThoseOver();
      const ids = [...followers.keys()];
      if (ids.length === 0) return { ended: over };
      const valid = new Set((await validStatement(core.em.fork(), { ids })).map(({ id }) => id));
      const gone = ids.filter((id) => !valid.has(id));
      for (const id of gone) {
        const ofKey = followers.get(id);
        followers.delete(id);
        ofKey?.forEach(({ onEnd }) => onEnd('REVOKED'));
      }
      return { ended: over + gone.length };
    },
  };
}

function isOver({ until }: Follower): boolean {
  return until !== undefined && until <= Date.now();
}
