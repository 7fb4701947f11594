import { sep } from 'node:path';
import { type Address, addressOf, idOf, localPathOf, type SyncEntry } from './entry.ts';
import type { Ledger } from './ledger.ts';
import { type Observed, type Scan, scanDirectory } from './scan.ts';

/** A file on disk that an entry wants published. */
export interface Candidate {
  entry: SyncEntry;
  address: Address;
  relativePath: string;
  /** Where the entry has it, absolute. */
  path: string;
  /** What to open. */
  source: string;
  state: Observed;
}

/** What is on disk and what is in the bucket, by object id. */
export interface Survey {
  candidates: Map<string, Candidate>;
  seen: Map<string, Observed>;
  known: Map<string, Observed>;
  /** What an entry wants, or may want, and could not be read. */
  problems: string[];
  complete: boolean;
}

/** Looks at all directories of these entries. Of two files that would become the same object, the first entry's wins. */
export async function survey(entries: readonly SyncEntry[], ledger: Ledger): Promise<Survey> {
  const scans = new Map<string, Scan>();
  const candidates = new Map<string, Candidate>();
  for (const entry of entries) {
    const scan = scans.get(entry.root) ?? (await scanDirectory(entry.root));
    scans.set(entry.root, scan);
    for (const { relativePath, source, state } of scan.files.filter((file) => entry.matches(file.relativePath))) {
      const address = addressOf(entry, relativePath);
      const candidate = { entry, address, relativePath, path: localPathOf(entry, relativePath), source, state };
      if (!candidates.has(idOf(address))) candidates.set(idOf(address), candidate);
    }
  }
  return {
    candidates,
    seen: new Map([...candidates].map(([id, { state }]) => [id, state])),
    known: knownOf(entries, ledger),
    problems: [...new Set(entries.flatMap((entry) => problemsOf(entry, scans.get(entry.root))))],
    complete: [...scans.values()].every(({ complete }) => complete),
  };
}

/** Whether a pattern wants something of a directory that cannot be read is tried with a file of no special name. */
function problemsOf(entry: SyncEntry, scan: Scan | undefined): string[] {
  const wanted = (scan?.problems ?? []).filter(({ relativePath, isDirectory }) =>
    entry.matches(isDirectory ? `${relativePath === '' ? '' : `${relativePath}/`}file` : relativePath),
  );
  return wanted.map(({ reason }) => reason);
}

/** The objects that these entries would have published: no entry deletes what is another's. */
function knownOf(entries: readonly SyncEntry[], ledger: Ledger): Map<string, Observed> {
  const owned = [...ledger].filter(([id, { path }]) => entries.some((entry) => owns(entry, id, path)));
  return new Map(owned.map(([id, { state }]) => [id, state]));
}

function owns(entry: SyncEntry, id: string, path: string): boolean {
  const root = entry.root.endsWith(sep) ? entry.root : entry.root + sep;
  if (!path.startsWith(root)) return false;
  const relativePath = path.slice(root.length);
  return entry.matches(relativePath) && idOf(addressOf(entry, relativePath)) === id;
}
