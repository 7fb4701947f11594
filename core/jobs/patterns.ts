import { compilationCost, compilePattern, isPlainGlob } from '../../lib/pattern.ts';
import { messageOf } from '../../lib/errors.ts';
import { createSlices } from '../../lib/slices.ts';
import { ENOUGH_FAULTS, MORE_FAULTS } from '../../lib/few-faults.ts';
import type { Sync, SyncEntry } from '../../db/entities/job.ts';

/**
 * What checking the patterns of one request may cost, as `compilationCost` counts: some seconds, in slices, or as many different ones as a
 * batch may have jobs and each of those entries of one phase.
 */
export const MOST_COST = 20_000_000;

/** Where a pattern lies in its job: `['sync', 'before', 0, 'pattern']`, whatever the door calls the rest. */
type Place = (string | number)[];

/**
 * Tells the faults of the patterns of one request's jobs, each with the index of its job. Each pattern is compiled once, most of
 * them never: globs that can't be wrong, and those that were compiled lately. Others have their turns meanwhile. Those of a request that
 * would take very long together are refused unseen.
 */
export async function checkPatterns(
  jobs: readonly { sync: Sync | null }[],
  tell: (job: number, place: Place, fault: string) => void,
): Promise<void> {
  const bill: Bill = { cost: 0, verdicts: new Map(), slice: createSlices() };
  let told = 0;
  for (const [index, { sync }] of jobs.entries()) {
    if (sync === null) continue;
    for (const phase of ['before', 'during', 'after'] as const) {
      for (const [at, entry] of sync[phase].entries()) {
        if (entry.pattern === null || isSound(entry.pattern, entry.patternSyntax)) continue;
        const fault = await faultOf(entry.pattern, entry.patternSyntax, bill);
        if (fault === undefined) continue;
        tell(index, ['sync', phase, at, 'pattern'], fault);
        told += 1;
        if (bill.cost > MOST_COST) return;
        if (told >= ENOUGH_FAULTS) {
          tell(index, [], MORE_FAULTS);
          return;
        }
      }
    }
  }
}

/** Each pattern once, also where its verdict is known: what a request may have does not hang on what came before it. */
interface Bill {
  cost: number;
  verdicts: Map<string, string | undefined>;
  /** Awaited before each that is compiled. */
  slice: () => Promise<void>;
}

function isSound(pattern: string, syntax: SyncEntry['patternSyntax']): boolean {
  return syntax !== 'REGEX' && isPlainGlob(pattern);
}

async function faultOf(pattern: string, syntax: SyncEntry['patternSyntax'], bill: Bill): Promise<string | undefined> {
  const key = `${syntax ?? ''} ${pattern}`;
  if (bill.verdicts.has(key)) return bill.verdicts.get(key);
  bill.cost += compilationCost(pattern);
  if (bill.cost > MOST_COST) return TOO_DEAR;
  if (!lately.has(key)) {
    await bill.slice();
    if (lately.size >= MOST_REMEMBERED) lately.clear();
    lately.set(key, compilationFault(pattern, syntax));
  }
  const verdict = lately.get(key);
  bill.verdicts.set(key, verdict);
  return verdict;
}

/** Verdicts of the last requests: jobs of one kind come again and again, with the same few patterns. */
const lately = new Map<string, string | undefined>();
const MOST_REMEMBERED = 1_000;

const TOO_DEAR =
  'The different patterns up to this one take too long to check together: repeat and enumerate less in them, or send fewer jobs at once';

function compilationFault(pattern: string, syntax: SyncEntry['patternSyntax']): string | undefined {
  try {
    compilePattern(pattern, syntax === null ? undefined : syntax === 'GLOB' ? 'glob' : 'regex');
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
