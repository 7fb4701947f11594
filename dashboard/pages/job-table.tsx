import { createColumnHelper, FlexRender, type Row, tableFeatures, useTable } from '@tanstack/react-table';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { memo, type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import type { JobRow } from '../live/job-rows.ts';
import { percent, shortId, titleOf, words } from '../parts/format.ts';
import { Ago, Lasting } from '../parts/time.tsx';
import { ProgressBar, StatusBadge } from '../parts/ui.tsx';
import styles from '../style/jobs.module.css';

const ROW_HEIGHT = 58;
/** Rows kept above and below what is seen, so that scrolling meets no holes. */
const OVERSCAN = 12;
/** So many rows before the end the next page is asked for. */
const NEAR_END = 60;

const features = tableFeatures({});
const helper = createColumnHelper<typeof features, JobRow>();
const columns = helper.columns([
  helper.display({ id: 'job', header: 'Job', cell: ({ row }) => <Title job={row.original} /> }),
  helper.display({ id: 'status', header: 'Status', cell: ({ row }) => <StatusBadge status={row.original.status} /> }),
  helper.display({ id: 'progress', header: 'Progress', cell: ({ row }) => <Progress job={row.original} /> }),
  helper.accessor('containerGroupId', { header: 'Group', cell: ({ getValue }) => <Clipped text={getValue()} /> }),
  helper.accessor('machineId', { header: 'Machine', cell: ({ getValue }) => <Clipped text={getValue() ?? '–'} /> }),
  helper.accessor('attempt.number', {
    id: 'attempt',
    header: 'Attempt',
    cell: ({ row }) => row.original.attempt?.number ?? '–',
  }),
  helper.accessor('createdAt', { header: 'Submitted', cell: ({ getValue }) => <Ago at={getValue()} /> }),
  helper.display({ id: 'took', header: 'Took', cell: ({ row }) => <Took job={row.original} /> }),
]);

/** Thousands of rows, of which only those exist that are seen: the table is made of those alone, so a change costs little. */
export function JobTable({ rows, onNearEnd }: { rows: readonly JobRow[]; onNearEnd: () => void }) {
  const body = useRef<HTMLDivElement>(null);
  // No keys of its own: with a new function for them it would measure all rows again at each frame.
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    scrollMargin: useTop(body),
    useFlushSync: false,
  });
  const seen = virtualizer.getVirtualItems();
  const first = seen[0]?.index ?? 0;
  const last = seen.at(-1)?.index ?? 0;
  const table = useTable({ features, columns, data: rows.slice(first, last + 1), getRowId: ({ id }) => id });
  useEffect(() => {
    if (last >= rows.length - NEAR_END) onNearEnd();
  }, [last, rows.length, onNearEnd]);

  return (
    <div className={styles.table} role="table" aria-label="Jobs" aria-rowcount={rows.length + 1}>
      <div role="rowgroup">
        {table.getHeaderGroups().map((group) => (
          <div key={group.id} className={styles.headRow} role="row" aria-rowindex={1}>
            {group.headers.map((header) => (
              <div key={header.id} role="columnheader" data-column={header.column.id}>
                <table.FlexRender header={header} />
              </div>
            ))}
          </div>
        ))}
      </div>
      <div ref={body} role="rowgroup" className={styles.body} style={{ height: virtualizer.getTotalSize() }}>
        {table.getRowModel().rows.map((row, place) => {
          const top = (seen[place]?.start ?? 0) - virtualizer.options.scrollMargin;
          return <TableRow key={row.id} row={row} top={top} index={first + place} />;
        })}
      </div>
    </div>
  );
}

/** Where the element begins on the page, in pixels. Asked for in a rendering, it would make the browser lay out the page at each. */
function useTop(element: RefObject<HTMLElement | null>): number {
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const measure = (): void => setTop(element.current?.offsetTop ?? 0);
    measure();
    // Whatever moves it makes the whole page higher or lower.
    const resized = new ResizeObserver(measure);
    resized.observe(document.body);
    return () => resized.disconnect();
  }, [element]);
  return top;
}

/** `top` in pixels from the first row, `index` among all rows. */
function TableRow({ row, top, index }: { row: Row<typeof features, JobRow>; top: number; index: number }) {
  const style = { transform: `translateY(${top}px)`, height: ROW_HEIGHT };
  return (
    <div className={styles.row} role="row" aria-rowindex={index + 2} style={style}>
      <Cells row={row} />
    </div>
  );
}

/** Of a job that has not changed, nothing is made again while it is scrolled past. */
const Cells = memo(
  function Cells({ row }: { row: Row<typeof features, JobRow> }) {
    return row.getAllCells().map((cell) => (
      <div key={cell.id} role="cell" data-column={cell.column.id}>
        <FlexRender cell={cell} />
      </div>
    ));
  },
  (before, after) => before.row.original === after.row.original,
);

function Title({ job }: { job: JobRow }) {
  return (
    <>
      <Link href={`/app/jobs/${job.id}`} className={styles.title} title={titleOf(job)}>
        {titleOf(job)}
      </Link>
      <span className={styles.sub}>
        <code>{shortId(job.id)}</code>
        {job.numFailures > 0 && <span>{job.numFailures} failed</span>}
        {job.numInterruptions > 0 && <span>{job.numInterruptions} interrupted</span>}
        {job.priority !== 0 && <span>priority {job.priority}</span>}
      </span>
    </>
  );
}

function Clipped({ text }: { text: string }) {
  return (
    <span className={styles.clipped} title={text}>
      {text}
    </span>
  );
}

function Progress({ job }: { job: JobRow }) {
  if (job.status !== 'RUNNING') return '–';
  const fraction = job.progress?.fraction ?? null;
  const phase = job.attempt?.phase ?? null;
  if (fraction === null) return <span>{phase === null ? 'starting' : words(phase)}</span>;
  return (
    <span className={styles.progress}>
      <ProgressBar fraction={fraction} label={`Progress of ${titleOf(job)}`} />
      <span>{percent(fraction)}</span>
    </span>
  );
}

function Took({ job }: { job: JobRow }) {
  if (job.startedAt === null) return '–';
  const ended = job.completedAt ?? job.failedAt ?? job.canceledAt;
  return <Lasting from={job.startedAt} to={ended} />;
}
