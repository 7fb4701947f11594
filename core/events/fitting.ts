import { outside } from '../../lib/outside.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { jobsThatFit, type JobFilter } from '../jobs/find.ts';

/** Jobs that one statement looks at. */
const MAX_JOBS = 1_000;

/** Finds out for all who follow feeds which jobs fit their filters. */
export interface Fitting {
  /**
   * Those of these jobs of the viewer's account that fit, as they are now, and maybe some that others have asked about; `ids` of the filter
   * are the caller's to heed. However many follow, they use one connection together, because claims need the others: who asks while it
   * is busy is answered together with all who ask the same. Not for searches, which have turns of their own.
   */
  jobsThatFit(viewer: Viewer, filter: JobFilter, ids: readonly string[]): Promise<ReadonlySet<string>>;
}

interface Question {
  viewer: Viewer;
  filter: JobFilter;
  ids: readonly string[];
  answer: PromiseWithResolvers<ReadonlySet<string>>;
}

export function createFitting(core: Core): Fitting {
  let waiting: Question[] = [];
  let isBusy = false;

  const work = async (): Promise<void> => {
    isBusy = true;
    while (waiting.length > 0) {
      const groups = Map.groupBy(waiting, keyOf);
      waiting = [];
      for (const questions of groups.values()) await answerAll(core, questions);
    }
    isBusy = false;
  };
  return {
    jobsThatFit(viewer, filter, ids) {
      const answer = Promise.withResolvers<ReadonlySet<string>>();
      waiting.push({ viewer, filter: { ...filter, ids: undefined }, ids, answer });
      // Not within the call: who is woken by the same events asks in the same go.
      if (!isBusy && waiting.length === 1) outside(() => setImmediate(() => void work()));
      return answer.promise;
    },
  };
}

/** The same for all whose question has the same answer, whatever jobs it is about. */
function keyOf({ viewer, filter }: Question): string {
  const parts = Object.entries(filter).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([viewer.isAdmin ? null : viewer.accountId, parts]);
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
