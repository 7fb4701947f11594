import { FeedCursorDocument, JobCountDocument, type JobFilter, JobsDocument } from '../generated/graphql.ts';
import { ask, type Connection, Mistaken, pause } from './connection.ts';
import { followFeed } from './feed.ts';
import { type FeedEvent, type JobRow, needsLook, statusAfter } from './job-rows.ts';
import { type JobListState, NO_LIST } from './job-list-state.ts';
import { createRecount } from './recount.ts';
import { createRowBook, type RowBook } from './row-book.ts';
import { createStore, type Store } from './store.ts';

/** The jobs of a filter, newest first, as they are now and from then on. */
export interface JobList {
  state: Store<JobListState>;
  /** Loads the next page of older ones, if there are any and there is room. */
  loadMore(): void;
  close(): void;
}

/** So many are held at most: the rest is found by filters. */
export const MAX_ROWS = 10_000;
const FIRST_PAGE = 200;
const PAGE = 1_000;
/** What has come meanwhile is shown together, so that a busy queue costs a few renderings a second. */
const SHOW_EVERY_MS = 100;
/** So many jobs the server lets be named in one question. */
const LOOKS_AT_ONCE = 100;
/** When more wait to be looked at, the list is read anew: events come faster than single jobs can be asked for. */
const MOST_TO_LOOK_AT = 2_000;
const AGAIN_MS = 2_000;
/** After a longer absence (a night's sleep, say), reading the list anew is quicker than all that has happened. */
const CATCH_UP_MS = 120_000;

export function openJobList(connection: Connection, filter: JobFilter): JobList {
  const state = createStore(NO_LIST);
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
  /** Counts how often the list was begun: what was asked for an earlier one is of no use to this. */
  #turn = 0;
  /** Ends what was asked for the list as it was begun last. */
  #asking = new AbortController();
  #unfollow: () => void = () => undefined;
  readonly #unlink: () => void;
  /** Jobs that an event told of, and that are to be looked at. */
  readonly #toLookAt = new Set<string>();
  #isLooking = false;
  /** Of each question that is under way: the jobs that events have told of meanwhile. */
  readonly #heeding = new Set<Set<string>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #recount = createRecount(async () => this.#count(), {
    onStale: (countFault) => {
      const state = this.#state.get();
      if (state.countFault !== countFault) this.#state.set({ ...state, countFault });
    },
  });

  constructor(connection: Connection, filter: JobFilter, state: Store<JobListState>) {
    this.#connection = connection;
    this.#filter = filter;
    this.#state = state;
    let { epoch } = connection.link.get();
    this.#unlink = connection.link.subscribe(() => {
      const link = connection.link.get();
      if (link.epoch === epoch) return;
      epoch = link.epoch;
      if (link.awayMs > CATCH_UP_MS) void this.run();
      this.#recount.again();
    });
  }

  /** Begins with the cursor, then reads the list: what happens in between is told, and changes nothing twice. */
  async run(): Promise<void> {
    const turn = ++this.#turn;
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#unfollow();
    while (!this.#isOver(turn)) {
      try {
        const { feedCursor } = await ask(this.#connection, FeedCursorDocument, {}, this.#asking.signal);
        const page = await this.#page({ first: FIRST_PAGE });
        if (this.#isOver(turn)) return;
        this.#begin(page);
        this.#follow(feedCursor);
        return;
      } catch (error) {
        if (this.#isOver(turn)) return;
        this.#fail(error);
        if (error instanceof Mistaken) return;
        await pause(AGAIN_MS);
      }
    }
  }

  #isOver(turn: number): boolean {
    return this.#isClosed || turn !== this.#turn;
  }

  #begin(page: Page): void {
    this.#book = createRowBook();
    this.#book.append(page.nodes);
    this.#older = page.older;
    this.#toLookAt.clear();
    this.#state.set({ ...this.#state.get(), total: page.total, fault: undefined, countFault: undefined });
    this.#recount.again();
    this.#show();
  }

  async loadMore(): Promise<void> {
    if (this.#isLoading || this.#older === undefined || this.#book.size >= MAX_ROWS) return;
    const turn = this.#turn;
    this.#isLoading = true;
    try {
      await this.#heed(async () => {
        const page = await this.#page({ first: Math.min(PAGE, MAX_ROWS - this.#book.size), after: this.#older });
        if (this.#isOver(turn)) return;
        this.#book.append(page.nodes);
        this.#older = page.older;
      });
      this.#showSoon();
    } catch (error) {
      if (this.#isOver(turn)) return;
      this.#fail(error);
      await pause(AGAIN_MS);
    } finally {
      this.#isLoading = false;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#asking.abort();
    this.#unfollow();
    this.#unlink();
    clearTimeout(this.#timer);
    this.#recount.close();
  }

  /** Of the group alone: by the rest of the filter the feed leaves out the very events by which a job leaves the list. */
  #follow(cursor: string): void {
    const turn = this.#turn;
    const filter = { containerGroupId: this.#filter.containerGroupId ?? null };
    this.#unfollow = followFeed(
      this.#connection,
      { cursor, filter },
      {
        event: (event) => this.#take(event),
        gap: () => void this.run(),
        refused: (why) => void this.#beginAgain(why, turn),
      },
    );
  }

  async #beginAgain(why: string, turn: number): Promise<void> {
    this.#fail(new Error(why));
    await pause(AGAIN_MS);
    if (!this.#isOver(turn)) await this.run();
  }

  #take(event: FeedEvent): void {
    this.#heeding.forEach((told) => told.add(event.jobId));
    const status = statusAfter(event);
    if (event.type === 'PURGED') {
      this.#book.remove(event.jobId);
    } else if (this.#book.has(event.jobId)) {
      this.#book.change(event, this.#fits);
      if (needsLook(event.type) || this.#mayLeave(event)) this.#lookAt(event.jobId);
    } else if (status !== undefined && this.#fits(status)) {
      this.#lookAt(event.jobId);
    }
    this.#showSoon();
    if (status !== undefined || event.type === 'PURGED') this.#recount.soon();
  }

  readonly #fits = (status: JobRow['status']): boolean => {
    const wanted = this.#filter.status ?? [];
    return wanted.length === 0 || wanted.includes(status);
  };

  /** What was found by its machine is no longer, on another one. */
  #mayLeave({ type }: FeedEvent): boolean {
    return type === 'CLAIMED' && this.#filter.search != null;
  }

  #lookAt(id: string): void {
    this.#toLookAt.add(id);
    if (this.#toLookAt.size > MOST_TO_LOOK_AT) {
      this.#toLookAt.clear();
      void this.run();
    } else if (!this.#isLooking) {
      void this.#look();
    }
  }

  /** Looks at what is to be looked at until nothing is; what is told meanwhile waits for the next turn. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#toLookAt.size > 0 && !this.#isClosed) {
      await pause(SHOW_EVERY_MS);
      const turn = this.#turn;
      const ids = [...this.#toLookAt].slice(0, LOOKS_AT_ONCE);
      ids.forEach((id) => this.#toLookAt.delete(id));
      try {
        await this.#heed(async () => this.#lookAtAll(ids));
      } catch (error) {
        // A list that was begun anew has read them.
        if (this.#isOver(turn)) continue;
        ids.forEach((id) => this.#toLookAt.add(id));
        this.#fail(error);
        await pause(AGAIN_MS);
      }
      this.#showSoon();
    }
    this.#isLooking = false;
  }

  /** The server says which of them fit the filter, as they are now. */
  async #lookAtAll(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const turn = this.#turn;
    const { nodes } = await this.#page({ first: LOOKS_AT_ONCE, ids });
    if (this.#isOver(turn)) return;
    const found = new Set(nodes.map(({ id }) => id));
    ids.filter((id) => !found.has(id)).forEach((id) => this.#book.remove(id));
    this.#book.put(nodes, { hasOlder: this.#older !== undefined, fits: this.#fits });
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

  async #page(part: { first: number; after?: string | undefined; ids?: readonly string[] }): Promise<Page> {
    const { first, after = null, ids } = part;
    const filter = ids === undefined ? this.#filter : { ...this.#filter, ids: [...ids] };
    const counted = ids === undefined && after === null;
    const { nodes, pageInfo, totalCount } = (
      await ask(this.#connection, JobsDocument, { filter, first, after, counted }, this.#asking.signal)
    ).jobs;
    return { nodes, total: totalCount, older: pageInfo.hasNextPage ? (pageInfo.endCursor ?? undefined) : undefined };
  }

  async #count(): Promise<void> {
    const turn = this.#turn;
    try {
      const { jobs } = await ask(this.#connection, JobCountDocument, { filter: this.#filter }, this.#asking.signal);
      if (!this.#isOver(turn)) this.#state.set({ ...this.#state.get(), total: jobs.totalCount });
    } catch (error) {
      // A list that was begun anew was counted then.
      if (!this.#isOver(turn)) throw error;
    }
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

interface Page {
  nodes: readonly JobRow[];
  /** undefined where it was not asked for */
  total: number | undefined;
  /** Where the next older page begins; undefined when there is none. */
  older: string | undefined;
}
