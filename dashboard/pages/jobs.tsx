import { useEffect, useMemo, useState } from 'react';
import type { JobFilter, JobStatus } from '../generated/graphql.ts';
import { useSession } from '../live/context.ts';
import { type JobList, type JobListState, MAX_ROWS, openJobList } from '../live/job-list.ts';
import type { JobRow } from '../live/job-rows.ts';
import { createStore, useStore } from '../live/store.ts';
import { Empty } from '../parts/command.tsx';
import { count } from '../parts/format.ts';
import { Fault, Page, ui } from '../parts/ui.tsx';
import { type Filters, JobFilters, useFilters } from './job-filters.tsx';
import { JobTable } from './job-table.tsx';

const NOTHING_YET = createStore<JobListState>({ rows: [], total: undefined, hasMore: false, fault: undefined });

/** The account's jobs as they are, and as they change. */
export function Jobs() {
  const [filters, setFilters] = useFilters();
  const { state, loadMore } = useJobList(filters);
  const { rows, total, hasMore, fault } = useStore(state);
  const found = useMemo(() => searched(rows, filters.search), [rows, filters.search]);
  // What is searched is what is loaded, so a search loads what there is.
  const isSearching = filters.search !== '';
  useEffect(() => {
    if (isSearching && hasMore) loadMore();
  }, [isSearching, hasMore, rows, loadMore]);

  return (
    <Page title="Jobs" lead={said({ found: found.length, loaded: rows.length, total, isSearching })}>
      <JobFilters filters={filters} onChange={setFilters} />
      {fault !== undefined && <Fault>{fault}</Fault>}
      {found.length === 0 && total !== undefined ? (
        <section className={ui.panel}>
          <NoJobs isFiltered={isSearching || isFiltered(filters)} />
        </section>
      ) : (
        <JobTable rows={found} onNearEnd={loadMore} />
      )}
    </Page>
  );
}

function said(is: { found: number; loaded: number; total: number | undefined; isSearching: boolean }): string {
  if (is.total === undefined) return 'Loading …';
  if (is.isSearching) return `${count(is.found)} found among the newest ${count(is.loaded)} of ${count(is.total)} jobs`;
  const all = `${count(is.total)} ${is.total === 1 ? 'job' : 'jobs'}, newest first`;
  return is.total > MAX_ROWS ? `${all}; the newest ${count(MAX_ROWS)} can be scrolled through` : all;
}

function NoJobs({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return <Empty title="No job fits">Take away a part of the filter, or search for something else.</Empty>;
  }
  return (
    <Empty title="No jobs yet" command={FIRST_JOB}>
      Submit one with the button above, or from a shell, with the key in $KEY:
    </Empty>
  );
}

const FIRST_JOB = `curl ${location.origin}/jobs -H "X-Kelpie-Key: $KEY" \\
  -d '{"command": "echo", "arguments": ["hello"], "container_group_id": "local"}'`;

function isFiltered({ status, group, label }: Filters): boolean {
  return status.length > 0 || group !== '' || label !== '';
}

/** Opens the list anew when what the server filters by changes. */
function useJobList({ status, group, label }: Filters): Pick<JobList, 'state' | 'loadMore'> {
  const { connection } = useSession();
  const statuses = status.join(',');
  const [list, setList] = useState<JobList>();
  useEffect(() => {
    const opened = openJobList(connection, filterOf(statuses, group, label));
    setList(opened);
    return () => opened.close();
  }, [connection, statuses, group, label]);
  return list ?? { state: NOTHING_YET, loadMore: nothing };
}

function nothing(): void {
  // There is no list yet.
}

function filterOf(statuses: string, group: string, label: string): JobFilter {
  const [name = '', ...value] = label.split('=');
  return {
    // Joined from statuses by the caller.
    status: statuses === '' ? null : (statuses.split(',') as JobStatus[]),
    containerGroupId: group === '' ? null : group,
    labels: label === '' ? null : { [name]: value.join('=') },
  };
}

function searched(rows: readonly JobRow[], search: string): readonly JobRow[] {
  const wanted = search.toLowerCase();
  if (wanted === '') return rows;
  return rows.filter(({ id, name, command, arguments: given, machineId }) =>
    [id, name ?? '', command, given.join(' '), machineId ?? ''].some((text) => text.toLowerCase().includes(wanted)),
  );
}
