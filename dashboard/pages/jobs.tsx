import { useEffect, useRef, useState } from 'react';
import type { JobFilter, JobStatus } from '../generated/graphql.ts';
import { Link } from 'wouter';
import { useSession } from '../live/context.ts';
import { type JobList, MAX_ROWS, openJobList } from '../live/job-list.ts';
import { type JobListState, NO_LIST } from '../live/job-list-state.ts';
import { createStore, useStore } from '../live/store.ts';
import { Empty } from '../parts/command.tsx';
import { count, counted } from '../parts/format.ts';
import { Fault, Page, ui } from '../parts/ui.tsx';
import { type Filters, JobFilters, useFilters } from './job-filters.tsx';
import { JobTable } from './job-table.tsx';

const NOTHING_YET = createStore(NO_LIST);

/** The account's jobs as they are, and as they change. */
export function Jobs() {
  const [filters, setFilters] = useFilters();
  const { state, loadMore } = useJobList(filters);
  const { rows, total, fault, countFault } = useSettled(useStore(state));
  return (
    <Page
      title="Jobs"
      lead={total === undefined && fault !== undefined ? undefined : said(total, filters.search !== '')}
    >
      <JobFilters filters={filters} onChange={setFilters} />
      {fault !== undefined && <Fault>{fault}</Fault>}
      {countFault !== undefined && <Fault>How many there are could not be counted again: {countFault}</Fault>}
      {rows.length === 0 && total !== undefined ? (
        <section className={ui.panel}>
          <NoJobs isFiltered={isFiltered(filters)} />
        </section>
      ) : (
        (rows.length > 0 || fault === undefined) && <JobTable rows={rows} onNearEnd={loadMore} />
      )}
    </Page>
  );
}

/** What a search finds the server counts up to one more than can be shown. */
function said(total: number | undefined, isSearch: boolean): string {
  if (total === undefined) return 'Loading …';
  if (total === 0) return 'None';
  const isMore = isSearch && total > MAX_ROWS;
  const all = `${isMore ? `more than ${counted(MAX_ROWS, 'job')}` : counted(total, 'job')}, newest first`;
  return total > MAX_ROWS ? `${all}; the newest ${count(MAX_ROWS)} can be scrolled through` : all;
}

function NoJobs({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <>
        <Empty title="No job fits">Take away a part of the filter, or search for something else.</Empty>
        <p className={ui.panelBody}>
          <Link href="/app/jobs">Show all jobs</Link>
        </p>
      </>
    );
  }
  return (
    <Empty title="No jobs yet" command={FIRST_JOB}>
      Submit one with the button “Submit a job”, or from a shell, with the key in $KEY:
    </Empty>
  );
}

const FIRST_JOB = `curl ${location.origin}/jobs -H "X-Kelpie-Key: $KEY" \\
  -d '{"command": "echo", "arguments": ["hello"], "container_group_id": "local"}'`;

function isFiltered({ status, group, label, search }: Filters): boolean {
  return status.length > 0 || group !== '' || label !== '' || search !== '';
}

/** While the list of another filter is on its way, what was shown stays: nothing flickers under who types. */
function useSettled(newest: JobListState): JobListState {
  const settled = useRef(newest);
  if (newest.total !== undefined || newest.fault !== undefined) settled.current = newest;
  return settled.current;
}

/** Opens the list anew when what the server filters by changes. */
function useJobList({ status, group, label, search }: Filters): Pick<JobList, 'state' | 'loadMore'> {
  const { connection } = useSession();
  const statuses = status.join(',');
  const [list, setList] = useState<JobList>();
  useEffect(() => {
    const opened = openJobList(connection, filterOf({ statuses, group, label, search }));
    setList(opened);
    return () => opened.close();
  }, [connection, statuses, group, label, search]);
  return list ?? { state: NOTHING_YET, loadMore: nothing };
}

function nothing(): void {
  // There is no list yet.
}

function filterOf(given: { statuses: string; group: string; label: string; search: string }): JobFilter {
  const { statuses, group, label, search } = given;
  const [name = '', ...value] = label.split('=');
  return {
    // Joined from statuses by the caller.
    status: statuses === '' ? null : (statuses.split(',') as JobStatus[]),
    containerGroupId: group === '' ? null : group,
    labels: label === '' ? null : { [name]: value.join('=') },
    search: search === '' ? null : search,
  };
}
