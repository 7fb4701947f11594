import { ToggleGroup } from 'radix-ui';
import { memo, useEffect, useRef, useState } from 'react';
import { useSearchParams } from 'wouter';
import type { JobStatus } from '../generated/graphql.ts';
import { isStatus } from '../live/job-rows.ts';
import { words } from '../parts/format.ts';
import { ui } from '../parts/ui.tsx';
import styles from '../style/jobs.module.css';

/** Which jobs are shown. It is in the page's address, so it can be kept and sent. */
export interface Filters {
  status: JobStatus[];
  group: string;
  /** `name=value`, or empty. */
  label: string;
  search: string;
}

const STATUSES: JobStatus[] = ['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELED'];
/** What is typed is not asked for letter by letter. */
const SETTLED_MS = 300;

export function useFilters(): [Filters, (part: Partial<Filters>) => void] {
  const [parameters, setParameters] = useSearchParams();
  const filters: Filters = {
    status: (parameters.get('status') ?? '').split(',').filter(isStatus),
    group: parameters.get('group') ?? '',
    label: parameters.get('label') ?? '',
    search: parameters.get('q') ?? '',
  };
  const change = (part: Partial<Filters>): void => {
    const { status, group, label, search } = { ...filters, ...part };
    const wanted = { status: status.join(','), group, label, q: search };
    setParameters(
      Object.entries(wanted).filter(([, value]) => value !== ''),
      { replace: true },
    );
  };
  return [filters, change];
}

/**
 * Made again only when a filter is another one: the list below changes ten times a second. An older `onChange` does the same as the newest
 * one, since it depends on nothing but the filters.
 */
export const JobFilters = memo(FilterBar, (before, after) => sameFilters(before.filters, after.filters));

function sameFilters(one: Filters, other: Filters): boolean {
  const { group, label, search, status } = one;
  const isSame = group === other.group && label === other.label && search === other.search;
  return isSame && status.join() === other.status.join();
}

function FilterBar(props: { filters: Filters; onChange: (part: Partial<Filters>) => void }) {
  const { filters, onChange } = props;
  return (
    <search className={styles.filters}>
      <ToggleGroup.Root
        type="multiple"
        className={styles.statuses}
        aria-label="Status"
        value={filters.status}
        onValueChange={(status) => onChange({ status: status.filter(isStatus) })}
      >
        {STATUSES.map((status) => (
          <ToggleGroup.Item key={status} value={status} className={styles.status}>
            {words(status)}
          </ToggleGroup.Item>
        ))}
      </ToggleGroup.Root>
      <TypedFilter label="Group" value={filters.group} onChange={(group) => onChange({ group })} />
      <TypedFilter label="Label" hint="name=value" value={filters.label} onChange={(label) => onChange({ label })} />
      <TypedFilter
        label="Search"
        hint="name, command, id …"
        value={filters.search}
        onChange={(search) => onChange({ search })}
      />
    </search>
  );
}

function TypedFilter(props: { label: string; hint?: string; value: string; onChange: (value: string) => void }) {
  const { label, hint, value, onChange } = props;
  const [typed, setTyped] = useState(value);
  // A list that changes all the time must not keep what is typed from settling.
  const newest = useRef(onChange);
  newest.current = onChange;
  // The address may change by itself: by a link, or by going back.
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed.trim() === value) return undefined;
    const timer = setTimeout(() => newest.current(typed.trim()), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [typed, value]);
  return (
    <label className={styles.typed}>
      <span className={ui.hidden}>{label}</span>
      <input
        className={ui.input}
        type="search"
        placeholder={hint === undefined ? label : `${label}: ${hint}`}
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
      />
    </label>
  );
}
