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
  const waiting = createTurns();
  let isBusy = false;

  const work = async (): Promise<void> => {
    for (let questions = waiting.next(); questions.length > 0; questions = waiting.next()) {
      await answerAll(core, questions);
    }
    isBusy = false;
  };
  return {
    async jobsThatFit(viewer, filter, ids, gone) {
      gone.throwIfAborted();
      const question: Question = {
        ...{ viewer, filter: { ...filter, ids: undefined }, ids },
        answer: Promise.withResolvers<ReadonlySet<string>>(),
      };
      const leave = (): void => {
        waiting.remove(question);
        question.answer.reject(gone.reason);
      };
      waiting.add(question);
      gone.addEventListener('abort', leave, { once: true });
      // Not within the call: who is woken by the same events asks in the same go.
      if (!isBusy) outside(() => setImmediate(() => void work()));
      isBusy = true;
      return await question.answer.promise.finally(() => gone.removeEventListener('abort', leave));
    },
  };
}

/** Who waits, by account and, within it, by what is asked. Either map's order is that of its turns: what had one goes behind. */
function createTurns() {
  const accounts = new Map<string, Map<string, Set<Question>>>();
  return {
    add(question: Question): void {
      const [account, key] = [accountOf(question), keyOf(question)];
      const groups = accounts.get(account) ?? new Map<string, Set<Question>>();
      const group = groups.get(key) ?? new Set();
      accounts.set(account, groups.set(key, group.add(question)));
    },
    remove(question: Question): void {
      const [account, key] = [accountOf(question), keyOf(question)];
      const groups = accounts.get(account);
      const group = groups?.get(key);
      group?.delete(question);
      if (group?.size === 0) groups?.delete(key);
      if (groups?.size === 0) accounts.delete(account);
    },
    /** @returns some that ask the same, whose turn it is; none when nobody waits */
    next(): Question[] {
      for (const [account, groups] of accounts) {
        for (const [key, group] of groups) {
          const taken = takeSome(group);
          groups.delete(key);
          accounts.delete(account);
          if (group.size > 0) groups.set(key, group);
          if (groups.size > 0) accounts.set(account, groups);
          return taken;
        }
      }
      return [];
    },
  };
}

/** As many as one statement answers, and at least one. */
function takeSome(group: Set<Question>): Question[] {
  const taken: Question[] = [];
  const ids = new Set<string>();
  for (const question of group) {
    for (const id of question.ids) ids.add(id);
    if (taken.length > 0 && ids.size > MAX_JOBS) break;
    taken.push(question);
    group.delete(question);
  }
  return taken;
}

/** Whose turn it is when this is asked; admins, who see all accounts, share one. */
function accountOf({ viewer }: Question): string {
  return viewer.isAdmin ? '' : viewer.accountId;
}

/** The same for all of an account whose question has the same answer, whatever jobs it is about. */
function keyOf({ filter }: Question): string {
  return JSON.stringify(Object.entries(filter).toSorted(([one], [other]) => (one < other ? -1 : 1)));
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
