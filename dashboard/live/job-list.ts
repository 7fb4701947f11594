import {
  FeedCursorDocument,
  JobCountDocument,
  type JobFilter,
  JobRowDocument,
  JobsDocument,
} from '../generated/graphql.ts';
import { ask, type Connection, pause } from './connection.ts';
import { followFeed } from './feed.ts';
import { type FeedEvent, type JobRow, needsLook, statusAfter } from './job-rows.ts';
import { createRowBook, type RowBook } from './row-book.ts';
import { createStore, type Store } from './store.ts';

/** The jobs of a filter, newest first, as they are now and from then on. */
export interface JobList {
  state: Store<JobListState>;
  /** Loads the next page of older ones, if there are any and there is room. */
  loadMore(): void;
  close(): void;
}

export interface JobListState {
  rows: readonly JobRow[];
  /** How many there are in all; undefined before the server has said so. */
  total: number | undefined;
  /** Whether older ones can be loaded. */
  hasMore: boolean;
  /** Why the list cannot be told just now. */
  fault: string | undefined;
}

/** So many are held at most: the rest is found by filters. */
export const MAX_ROWS = 10_000;
const FIRST_PAGE = 200;
const PAGE = 1_000;
/** What has come meanwhile is shown together, so that a busy queue costs a few renderings a second. */
const SHOW_EVERY_MS = 100;
/** Jobs that are looked at one by one; when there are more, the newest page is read instead. */
const LOOKS_AT_ONCE = 20;
const COUNT_EVERY_MS = 2_000;
const AGAIN_MS = 2_000;

export function openJobList(connection: Connection, filter: JobFilter): JobList {
  const state = createStore<JobListState>({ rows: [], total: undefined, hasMore: false, fault: undefined });
  const list = new LiveList(connection, filter, state);
  void list.run();
  return { state, loadMore: () => void list.loadMore(), close: () => list.close() };
}

class LiveList {
  readonly #connection: Connection;
  readonly #filter: JobFilter;
  readonly #state: Store<JobListState>;
  #book: RowBook = createRowBook();
  /** Where the next older page begins; undefined when there is none. */
  #older: string | undefined;
  #isLoading = false;
  #isClosed = false;
  #unfollow: () => void = () => undefined;
  /** Jobs that an event told of, and that are to be looked at. */
  readonly #toLookAt = new Set<string>();
  #isLooking = false;
  /** Of each question that is under way: the jobs that events have told of meanwhile. */
  readonly #heeding = new Set<Set<string>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #countTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(connection: Connection, filter: JobFilter, state: Store<JobListState>) {
    this.#connection = connection;
    this.#filter = filter;
    this.#state = state;
  }

  /** Begins with the cursor, then reads the list: what happens in between is told, and changes nothing twice. */
  async run(): Promise<void> {
    for (;;) {
      try {
        const { feedCursor } = await ask(this.#connection, FeedCursorDocument, {});
        const page = await this.#page(FIRST_PAGE, undefined);
        if (this.#isOver()) return;
        this.#book = createRowBook();
        this.#book.append(page.nodes);
        this.#older = page.older;
        this.#state.set({ ...this.#state.get(), total: page.total, fault: undefined });
        this.#show();
        this.#follow(feedCursor);
        return;
      } catch (error) {
        if (this.#isOver()) return;
        this.#fail(error);
        await pause(AGAIN_MS);
      }
    }
  }

  /** Asked after each wait: the type checker takes it that nothing changes meanwhile. */
  #isOver(): boolean {
    return this.#isClosed;
  }

  async loadMore(): Promise<void> {
    if (this.#isLoading || this.#older === undefined || this.#book.size >= MAX_ROWS) return;
    this.#isLoading = true;
    try {
      await this.#heed(async () => {
        const page = await this.#page(Math.min(PAGE, MAX_ROWS - this.#book.size), this.#older);
        this.#book.append(page.nodes);
        this.#older = page.older;
      });
      this.#showSoon();
    } catch (error) {
      this.#fail(error);
      await pause(AGAIN_MS);
    } finally {
      this.#isLoading = false;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#unfollow();
    clearTimeout(this.#timer);
    clearTimeout(this.#countTimer);
  }

  #follow(cursor: string): void {
    // By status the feed leaves out the very events by which a job leaves the list, so those are sorted out here.
    const { containerGroupId, labels } = this.#filter;
    this.#unfollow = followFeed(
      this.#connection,
      { cursor, filter: { containerGroupId: containerGroupId ?? null, labels: labels ?? null } },
      {
        event: (event) => this.#take(event),
        gap: () => {
          this.#unfollow();
          void this.run();
        },
        refused: (why) => void this.#beginAgain(why),
      },
    );
  }

  async #beginAgain(why: string): Promise<void> {
    this.#fail(new Error(why));
    await pause(AGAIN_MS);
    if (!this.#isClosed) await this.run();
  }

  #take(event: FeedEvent): void {
    this.#heeding.forEach((told) => told.add(event.jobId));
    if (event.type === 'PURGED') {
      this.#book.remove(event.jobId);
    } else if (this.#book.has(event.jobId)) {
      this.#book.change(event, this.#fits);
      if (needsLook(event.type)) this.#lookAt(event.jobId);
    } else {
      const status = statusAfter(event);
      if (status !== undefined && this.#fits(status)) this.#lookAt(event.jobId);
    }
    this.#showSoon();
    if (statusAfter(event) !== undefined || event.type === 'PURGED') this.#countSoon();
  }

  readonly #fits = (status: JobRow['status']): boolean => {
    const wanted = this.#filter.status ?? [];
    return wanted.length === 0 || wanted.includes(status);
  };

  #lookAt(id: string): void {
    this.#toLookAt.add(id);
    if (!this.#isLooking) void this.#look();
  }

  /** Looks at what is to be looked at until nothing is; what is told meanwhile waits for the next turn. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#toLookAt.size > 0 && !this.#isClosed) {
      await pause(SHOW_EVERY_MS);
      const ids = [...this.#toLookAt];
      this.#toLookAt.clear();
      try {
        await this.#heed(async () => {
          const left = ids.length > LOOKS_AT_ONCE ? await this.#lookAtNewest(ids) : ids;
          await Promise.all(left.slice(0, LOOKS_AT_ONCE).map(async (id) => this.#lookAtOne(id)));
          left.slice(LOOKS_AT_ONCE).forEach((id) => this.#toLookAt.add(id));
        });
      } catch (error) {
        ids.forEach((id) => this.#toLookAt.add(id));
        this.#fail(error);
        await pause(AGAIN_MS);
      }
      this.#showSoon();
    }
    this.#isLooking = false;
  }

  /** @returns which of the jobs are not among the newest */
  async #lookAtNewest(ids: string[]): Promise<string[]> {
    const { nodes } = await this.#page(PAGE, undefined);
    this.#put(nodes);
    const seen = new Set(nodes.map(({ id }) => id));
    return ids.filter((id) => !seen.has(id));
  }

  async #lookAtOne(id: string): Promise<void> {
    const { job } = await ask(this.#connection, JobRowDocument, { id });
    if (job === null) this.#book.remove(id);
    else this.#put([job]);
  }

  #put(rows: readonly JobRow[]): void {
    this.#book.put(rows, { hasOlder: this.#older !== undefined, fits: this.#fits });
    if (this.#book.trim(MAX_ROWS)) this.#older = undefined;
  }

  /** An answer may be older than what was told while it was on its way: such jobs are looked at once more. */
  async #heed(look: () => Promise<void>): Promise<void> {
    const told = new Set<string>();
    this.#heeding.add(told);
    try {
      await look();
    } finally {
      this.#heeding.delete(told);
    }
    told.forEach((id) => {
      if (this.#book.has(id)) this.#lookAt(id);
    });
  }

  async #page(first: number, after: string | undefined) {
    const variables = { filter: this.#filter, first, after: after ?? null };
    const { nodes, pageInfo, totalCount } = (await ask(this.#connection, JobsDocument, variables)).jobs;
    return { nodes, total: totalCount, older: pageInfo.hasNextPage ? (pageInfo.endCursor ?? undefined) : undefined };
  }

  #countSoon(): void {
    this.#countTimer ??= setTimeout(() => {
      this.#countTimer = undefined;
      ask(this.#connection, JobCountDocument, { filter: this.#filter }).then(
        ({ jobs }) => this.#state.set({ ...this.#state.get(), total: jobs.totalCount }),
        (error: unknown) => this.#fail(error),
      );
    }, COUNT_EVERY_MS);
  }

  #showSoon(): void {
    this.#timer ??= setTimeout(() => this.#show(), SHOW_EVERY_MS);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isClosed) return;
    const hasMore = this.#older !== undefined && this.#book.size < MAX_ROWS;
    this.#state.set({ ...this.#state.get(), rows: this.#book.rows(), hasMore, fault: undefined });
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#state.set({ ...this.#state.get(), fault: error instanceof Error ? error.message : String(error) });
  }
}
