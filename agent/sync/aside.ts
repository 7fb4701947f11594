import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { type Guard, isOrHolds } from './guard.ts';
import type { Ledger, LedgerRecord } from './ledger.ts';
import type { Logger } from './logger.ts';
import { asideMarkOf, asidesOf, unmark } from './marks.ts';
import { mountPoints } from './mounts.ts';
import { type Moved, moveContents, moveWhole, NotRestored } from './move.ts';
import { removeTree } from './remove.ts';
import { isSame, looksSame, type Observed, type Scan, scanDirectory } from './scan.ts';
import type { Asking } from './silence.ts';

/**
 * Where the files of an attempt lie: in its local paths, and once these have made way for the next job's files, aside.
 * Every other part goes on to speak of a file by the path that it had at first, and asks here where it is now.
 */
export interface Aside {
  /** Where a path, given as it was at first, is now. */
  now(path: string): string;
  /** By which the disk that they lie on is asked: until the attempt is stopped. */
  readonly asking: Asking;
  /** Runs `task` while nothing is being moved. Rejects with SyncError when files could be moved neither there nor back. */
  steady<T>(task: () => Promise<T>): Promise<T>;
  /**
   * Moves the contents of all local paths aside, and leaves the local paths empty. Resolves to false, with everything as it
   * was, where that cannot be done, or when the attempt is stopped. Idempotent.
   */
  move(): Promise<boolean>;
  /** What was there when it was moved, by the path that each file had; empty unless it was. */
  readonly left: ReadonlyMap<string, Observed>;
  /**
   * Removes what was moved, after waiting for a move under way. Resolves to whether everything was moved. Never rejects. What is left
   * when the signal of `asking` is aborted the next agent removes.
   */
  remove(asking: Asking): Promise<boolean>;
}

export interface AsideParts {
  roots: readonly string[];
  guard: Guard;
  jobId: string;
  /** Where files of this agent's attempts lie; those of this one are added while they do. */
  asides: Set<string>;
  ledger: Ledger;
  asking: Asking;
  log: Logger;
}

interface Place {
  /** The real path of an outermost local path, */
  root: string;
  /** and all local paths that are it, or below it, as they were given. */
  names: string[];
  isMountPoint: boolean;
}

export function createAside(parts: AsideParts): Aside {
  const { asides, asking: own, log } = parts;
  const tasks = new Set<Promise<unknown>>();
  let moving: Promise<boolean> | undefined;
  const ways: Way[] = [];
  let left: ReadonlyMap<string, Observed> = new Map();
  let made: readonly string[] = [];

  async function move(): Promise<boolean> {
    await Promise.allSettled(tasks);
    const places = await movablePlaces(parts);
    if (places === undefined) return false;
    const relocations = await moveAll(places, ways, parts);
    if (relocations === undefined) return false;
    left = inventoryOf(relocations, parts);
    made = relocations.filter(({ moved }) => !moved.isMissing).map(({ moved }) => moved.to);
    return true;
  }

  return {
    get left() {
      return left;
    },
    now: (path) => along(ways, path),
    asking: own,
    async steady(task) {
      if (moving !== undefined) await moving;
      const run = task();
      tasks.add(run);
      return run.finally(() => tasks.delete(run));
    },
    move: () => (moving ??= move()),
    async remove(asking) {
      const isMoved = await moving?.catch(() => false);
      if (isMoved !== true) return false;
      left = new Map();
      for (const path of made) {
        await removeTree(path, asking, asideMarkOf(path)).catch((error: unknown) => {
          log.warn({ path, reason: messageOf(error) }, 'what was moved aside could not all be removed');
        });
        asides.delete(path);
      }
      return true;
    },
  };
}

/** From where a path was to where it is. */
interface Way {
  from: string;
  to: string;
  /** The directory to which everything of this place was moved. */
  aside: string;
}

function along(ways: readonly Way[], path: string): string {
  // What lies in a directory inside of the one that it was moved from begins with both.
  if (ways.some(({ aside }) => isOrHolds(aside, path))) return path;
  const way = ways.find(({ from }) => isOrHolds(from, path));
  return way === undefined ? path : join(way.to, path.slice(way.from.length));
}

/** The outermost local paths; undefined, which is told, when one of them has to stay where it is. */
async function movablePlaces({ roots, guard, log }: AsideParts): Promise<Place[] | undefined> {
  const mounts = await mountPoints();
  const places = placesOf(roots, guard).map((place) => ({ ...place, isMountPoint: mounts.includes(place.root) }));
  for (const { root, names } of places) {
    const held = mounts.find((mount) => mount !== root && isOrHolds(root, mount));
    const reasons = await Promise.all(names.map((name) => guard.reasonToKeep(name)));
    const why = held === undefined ? reasons.find((reason) => reason !== undefined && reason !== 'missing') : held;
    if (why === undefined) continue;
    const reason = held === undefined ? why : `${held} is mounted in it`;
    log.debug({ path: root, reason }, 'this local path stays where it is, so the next job waits for the uploads');
    return undefined;
  }
  return places;
}

function placesOf(roots: readonly string[], guard: Guard): Omit<Place, 'isMountPoint'>[] {
  const reals = [...new Set(roots.map((root) => guard.realOf(root)))];
  const outermost = reals.filter((real) => !reals.some((other) => other !== real && isOrHolds(other, real)));
  return outermost.map((root) => ({ root, names: roots.filter((name) => isOrHolds(root, guard.realOf(name))) }));
}

/** What is being read finds its file again at once: `ways` are added as the files move. */
async function moveAll(
  places: readonly Place[],
  ways: Way[],
  parts: AsideParts,
): Promise<readonly Relocation[] | undefined> {
  const { guard, asides, asking, log } = parts;
  const done: Relocation[] = [];
  try {
    const scanned: { place: Place; before: Scan }[] = [];
    for (const place of places) scanned.push({ place, before: await scanDirectory(place.root, asking) });
    for (const { place, before } of scanned) {
      const moved = await moveOne(place, parts);
      done.push({ place, moved, before, after: before });
      ways.push(...waysOf(place, moved.to, guard));
      ways.sort((a, b) => b.from.length - a.from.length);
      if (!moved.isMissing) asides.add(moved.to);
    }
    for (const relocation of done) relocation.after = await sameAgain(relocation, asking);
  } catch (error) {
    for (const { moved } of done) asides.delete(moved.to);
    for (const { moved } of done.reverse()) await moved.undo();
    ways.length = 0;
    if (error instanceof NotRestored) throw error;
    const reason = messageOf(error);
    log.debug({ reason }, 'the local paths could not be moved aside, so the next job waits for the uploads');
    return undefined;
  }
  // Whatever comes there from now on is the next job's.
  for (const name of parts.roots) await unmark(name).catch(() => undefined);
  return done;
}

interface Relocation {
  place: Place;
  moved: Moved;
  before: Scan;
  after: Scan;
}

async function moveOne({ root, isMountPoint }: Place, { jobId, asking }: AsideParts): Promise<Moved> {
  const { beside, inside } = asidesOf(root);
  const ways = isMountPoint
    ? [() => moveContents(root, inside, jobId, asking)]
    : [
        () => moveWhole(root, beside, jobId),
        // On most overlays a directory of a container's image cannot be renamed, but what was made in it can.
        () => moveContents(root, beside, jobId, asking),
        () => moveContents(root, inside, jobId, asking),
      ];
  const reasons: string[] = [];
  for (const way of ways) {
    asking.ask(root);
    try {
      return await way();
    } catch (error) {
      if (error instanceof NotRestored) throw error;
      reasons.push(messageOf(error));
    }
  }
  throw new Error(`${root}: ${reasons.join('; ')}`);
}

function waysOf({ root, names }: Place, aside: string, guard: Guard): Way[] {
  const to = (name: string) => join(aside, guard.realOf(name).slice(root.length));
  return [{ from: root, to: aside, aside }, ...names.map((name) => ({ from: name, to: to(name), aside }))];
}

/** A link that says where it leads in other words than from beside itself leads elsewhere once it was moved. */
async function sameAgain({ moved, before }: Relocation, asking: Asking): Promise<Scan> {
  const { from, to, isPiecemeal } = moved;
  const isLinked = before.files.some(({ relativePath, source }) => source !== join(from, relativePath));
  if (!isLinked && !isPiecemeal) return before;
  const after = await scanDirectory(to, asking);
  const listed = ({ files }: Scan) => files.map(({ relativePath, state }) => `${relativePath}\0${state.ino}`).sort();
  if (listed(before).join('\n') === listed(after).join('\n')) return after;
  throw new Error(`${from}: links in it lead elsewhere when it is moved`);
}

/** What was moved, by the path that each file had. */
function inventoryOf(relocations: readonly Relocation[], { guard, ledger }: AsideParts): Map<string, Observed> {
  const left = new Map<string, Observed>();
  const published = Map.groupBy(ledger.values(), ({ path }) => path);
  for (const { place, before, after } of relocations) {
    const states = new Map(before.files.map(({ relativePath, state }) => [relativePath, state]));
    for (const name of place.names) {
      const below = guard.realOf(name).slice(place.root.length + 1);
      for (const { relativePath, state } of after.files) {
        if (!isOrHolds(join(place.root, below), join(place.root, relativePath))) continue;
        const path = join(name, relativePath.slice(below === '' ? 0 : below.length + 1));
        left.set(path, state);
        for (const record of published.get(path) ?? []) restamp(record, states.get(relativePath), state);
      }
    }
  }
  return left;
}

/** A file that was only renamed is not to be published again. */
function restamp(record: LedgerRecord, before: Observed | undefined, after: Observed): void {
  if (before !== undefined && isSame(record.state, before) && looksSame(before, after)) record.state = after;
}
