import { storable } from '../../lib/storable.ts';
import type { Trouble } from './failing.ts';

/** What a warning is made of. Times are milliseconds of the clock that never goes back. */
export interface Hindrance {
  trouble: Trouble;
  now: number;
  /** Whether anything is synced while the command runs. */
  mirrors: boolean;
  /** When something that is synced during the command was last published; undefined when nothing was. */
  savedAt: number | undefined;
  hasEnded: boolean;
}

/** Characters that the server takes. */
const LONGEST = 500;

/** For a person: that uploads keep failing, for how long, why, and what is safe. Its times are coarse, so it rarely changes. */
export function warningOf({ trouble, now, mirrors, savedAt, hasEnded }: Hindrance): string {
  const failing = `Uploads keep failing for ${span(now - trouble.since)}: `;
  const outcome = hasEnded
    ? '; the command has ended, and its job is not complete before they work'
    : '; the command goes on';
  const saved =
    savedAt === undefined
      ? 'it has saved no checkpoint here yet'
      : `its newest checkpoint is ${span(now - savedAt)} old`;
  const safe = mirrors ? `${outcome}, ${saved}` : outcome;
  return storable(failing + shortened(trouble.why, LONGEST - failing.length - safe.length) + safe);
}

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

/** The longer, the coarser: seconds by tens, minutes, minutes by tens, hours, days. */
function span(millis: number): string {
  if (millis < 10 * SECOND) return 'a few seconds';
  if (millis < MINUTE) return `${whole(millis, 10 * SECOND) * 10} s`;
  if (millis < 10 * MINUTE) return `${whole(millis, MINUTE)} min`;
  if (millis < HOUR) return `${whole(millis, 10 * MINUTE) * 10} min`;
  return millis < 2 * DAY ? `${whole(millis, HOUR)} h` : `${whole(millis, DAY)} days`;
}

function whole(millis: number, unit: number): number {
  return Math.floor(millis / unit);
}

function shortened(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
