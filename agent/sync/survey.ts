import type { Aside } from './aside.ts';
import type { Collision } from './collision.ts';
import { type Address, addressOf, idOf, localPathOf, relativePathAt, type SyncEntry } from './entry.ts';
import type { Fault } from './faults.ts';
import type { Ledger } from './ledger.ts';
import { type Observed, type Problem, type Scan, scanDirectory } from './scan.ts';

/** A file on disk that an entry wants published. */
export interface Candidate {
  entry: SyncEntry;
  address: Address;
  relativePath: string;
  /** Where the entry has it, absolute. */
  path: string;
  /** What to open: it may change while the file is on its way. */
  readonly source: string;
  state: Observed;
}

/** What is on disk and what is in the bucket, by object id. */
export interface Survey {
  candidates: Map<string, Candidate>;
  seen: Map<string, Observed>;
  known: Map<string, Observed>;
  /** What an entry wants, or may want, and could not be read. */
  problems: Fault[];
  /** Files that no object is left for. */
  collisions: Collision[];
  /** Which directories are not there. */
  missing: string[];
  /** In which directories files went while they were looked at, so that others may not have been seen. */
  restless: string[];
  complete: boolean;
}

/** Looks at all directories of these entries. Of two files that would become the same object, the first entry's wins. Rejects as a scan does. */
export async function survey(
  entries: readonly SyncEntry[],
  ledger: Ledger,
  { now, asking }: Pick<Aside, 'now' | 'asking'>,
): Promise<Survey> {
  const scans = new Map<string, Scan>();
  const candidates = new Map<string, Candidate>();
  const collisions: Collision[] = [];
  for (const entry of entries) {
    const scan = scans.get(entry.root) ?? (await scanDirectory(now(entry.root), asking));
    scans.set(entry.root, scan);
    for (const { relativePath, source, state } of scan.files.filter((file) => entry.matches(file.relativePath))) {
      const address = addressOf(entry, relativePath);
      const path = localPathOf(entry, relativePath);
      const candidate: Candidate = {
        ...{ entry, address, relativePath, path, state },
        get source() {
          return now(source);
        },
      };
      const id = idOf(address);
      const first = candidates.get(id);
      if (first === undefined) candidates.set(id, candidate);
      else if (first.source !== candidate.source) collisions.push({ id, kept: first.path, lost: path });
    }
  }
  return {
    ...{ candidates, collisions },
    seen: new Map([...candidates].map(([id, { state }]) => [id, state])),
    known: knownOf(entries, ledger),
    problems: eachOnce(entries.flatMap((entry) => problemsOf(entry, scans.get(entry.root)))),
    missing: rootsOf(scans, ({ isMissing }) => isMissing),
    restless: rootsOf(scans, ({ complete, isMissing, problems }) => !complete && !isMissing && problems.length === 0),
    complete: [...scans.values()].every(({ complete }) => complete),
  };
}

function rootsOf(scans: ReadonlyMap<string, Scan>, fits: (scan: Scan) => boolean): string[] {
  return [...scans].filter(([, scan]) => fits(scan)).map(([root]) => root);
}

/** Of a directory that cannot be read, nobody knows whether something in it is wanted. */
function problemsOf(entry: SyncEntry, scan: Scan | undefined): Problem[] {
  return (scan?.problems ?? []).filter(({ relativePath, isDirectory }) =>
    isDirectory ? relativePath !== OF_THE_FILE_SYSTEM : entry.matches(relativePath),
  );
}

/** One directory may lie below another. */
function eachOnce(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.reason, problem])).values()];
}

/** Where a volume is mounted there may be this directory, which is no user's to read. */
const OF_THE_FILE_SYSTEM = 'lost+found';

/** The objects that these entries would have published: no entry deletes what is another's. */
function knownOf(entries: readonly SyncEntry[], ledger: Ledger): Map<string, Observed> {
  const owned = [...ledger].filter(([id, { path }]) => entries.some((entry) => owns(entry, id, path)));
  return new Map(owned.map(([id, { state }]) => [id, state]));
}

function owns(entry: SyncEntry, id: string, path: string): boolean {
  const relativePath = relativePathAt(entry, path);
  return relativePath !== undefined && entry.matches(relativePath) && idOf(addressOf(entry, relativePath)) === id;
}
