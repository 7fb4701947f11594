import { createTurns, type Lane } from '../../lib/turns.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { asAllWhoAsk } from '../fair-share.ts';
import { jobsThatFit, type JobFilter } from '../jobs/find.ts';

/** Jobs that one statement looks at. */
const MAX_JOBS = 1_000;

/** Finds out for all who follow feeds which jobs fit their filters. */
export interface Fitting {
  /**
   * Those of these jobs of the viewer's account that fit, as they are now, and maybe some that others have asked about; `ids` of the filter
   * are the caller's to heed. However many follow, they use one connection together, because claims need the others: who asks while it
   * is busy is answered together with all who ask the same, and accounts take turns, a statement each. Not for searches, which have turns of
   * their own.
   * @param gone aborted when nobody waits for the answer any more: throws its reason, and asks nothing
   */
  jobsThatFit(
    viewer: Viewer,
    filter: JobFilter,
    ids: readonly string[],
    gone: AbortSignal,
  ): Promise<ReadonlySet<string>>;
}

interface Question {
  viewer: Viewer;
  filter: JobFilter;
  ids: readonly string[];
  answer: PromiseWithResolvers<ReadonlySet<string>>;
}

export function createFitting(core: Core): Fitting {
  const waiting = createTurns<Question>();
  let isBusy = false;

  const work = async (): Promise<void> => {
    const next = (): Question[] => waiting.next(fittingOne());
    for (let questions = next(); questions.length > 0; questions = next()) await answerAll(core, questions);
    isBusy = false;
  };
  return {
    async jobsThatFit(viewer, filter, ids, gone) {
      gone.throwIfAborted();
      const question: Question = {
        ...{ viewer, filter: { ...filter, ids: undefined }, ids },
        answer: Promise.withResolvers<ReadonlySet<string>>(),
      };
      const lane = laneOf(question);
      const leave = (): void => {
        waiting.remove(lane, question);
        question.answer.reject(gone.reason);
      };
      waiting.add(lane, question);
      gone.addEventListener('abort', leave, { once: true });
      // Not within the call: who is woken by the same events asks in the same go.
      if (!isBusy) asAllWhoAsk(() => setImmediate(() => void work()));
      isBusy = true;
      return await question.answer.promise.finally(() => gone.removeEventListener('abort', leave));
    },
  };
}

/**
 * Accounts take turns; admins, who see all accounts, share one. A lane is the same for all of an account whose question has the same answer,
 * whatever jobs it is about.
 */
function laneOf({ viewer, filter }: Question): Lane {
  return {
    group: viewer.isAdmin ? '' : viewer.accountId,
    name: JSON.stringify(Object.entries(filter).toSorted(([one], [other]) => (one < other ? -1 : 1))),
  };
}

/** Says of one question after the other whether they fit together into one statement. */
function fittingOne(): (question: Question) => boolean {
  const ids = new Set<string>();
  return (question) => {
    for (const id of question.ids) ids.add(id);
    return ids.size <= MAX_JOBS;
  };
}

/** Never rejects: what goes wrong is told to who asked. */
async function answerAll(core: Core, questions: readonly Question[]): Promise<void> {
  const [first] = questions;
  if (first === undefined) return;
  try {
    const ids = [...new Set(questions.flatMap((question) => question.ids))];
    const fitting = new Set<string>();
    for (let from = 0; from < ids.length; from += MAX_JOBS) {
      const found = await jobsThatFit(core, first.viewer, first.filter, ids.slice(from, from + MAX_JOBS));
      for (const id of found) fitting.add(id);
    }
    for (const { answer } of questions) answer.resolve(fitting);
  } catch (error) {
    for (const { answer } of questions) answer.reject(error);
  }
}
