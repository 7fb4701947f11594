import type { Disks } from './disks.ts';
import type { Ledger } from './ledger.ts';
import type { Logger } from './logger.ts';
import type { PlannedUpload } from './plan.ts';
import { isUsefulAtAnyLength } from './settle.ts';
import type { Candidate } from './survey.ts';
import type { Suspicion } from './suspicion.ts';
import { hasOnlyGrown } from './transfer.ts';

export interface TornParts {
  ledger: Ledger;
  /** Absent where no command can have died. */
  suspicion?: Pick<Suspicion, 'isOn'>;
  /** Of which it was already said, by id. */
  toldTorn: Set<string>;
  disks: Pick<Disks, 'answered'>;
  policy: { log: Logger };
}

/**
 * The files that the command was writing when it died, by id: the bucket keeps what it has of them, or nothing. `uploads` are in the order
 * of writing. What was written after one of these may name it, and waits with it for ever.
 */
export async function tornAmong(
  { ledger, suspicion, toldTorn, disks, policy }: TornParts,
  uploads: readonly PlannedUpload[],
  candidates: ReadonlyMap<string, Candidate>,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const torn = new Set<string>();
  for (const { id, state, previous } of uploads) {
    const candidate = candidates.get(id);
    if (candidate === undefined || suspicion?.isOn(state, previous) !== true) continue;
    const known = ledger.get(id);
    const isWhole =
      known?.state.ino === state.ino
        ? await hasOnlyGrown(asked(candidate, disks, signal), known).catch(() => true)
        : torn.size === 0 && isFinished(candidate);
    if (isWhole) continue;
    torn.add(id);
    if (toldTorn.has(id)) continue;
    toldTorn.add(id);
    policy.log.warn(
      { object: id },
      'the command died while it wrote this file: the bucket does not get what there is of it',
    );
  }
  return torn;
}

function asked({ source, entry }: Candidate, disks: TornParts['disks'], signal: AbortSignal) {
  return { source, answered: <T>(question: Promise<T>) => disks.answered(entry.root, source, question), signal };
}

/**
 * A write sets both times. Where the last change was of another kind, the file was renamed into its place, or its times or its mode were
 * set, as is done when all is written; but not while it is empty.
 */
function isFinished({ state, relativePath }: Candidate): boolean {
  return (state.mtimeNs !== state.ctimeNs && state.size > 0) || isUsefulAtAnyLength(relativePath);
}
