import { useEffect } from 'react';
import { useSubscription } from 'urql';
import { Link } from 'wouter';
import { JobDetailDocument, JobHistoryDocument, JobUpdatedDocument } from '../generated/graphql.ts';
import { faultOf } from '../live/connection.ts';
import { useAnswer } from '../live/context.ts';
import type { Detail, History } from '../live/job-detail.ts';
import { titleOf } from '../parts/format.ts';
import { Fault, Page, StatusBadge, ui } from '../parts/ui.tsx';
import { JobActions } from './job-actions.tsx';
import { Attempts } from './job-attempts.tsx';
import { Deliveries } from './job-deliveries.tsx';
import { Events } from './job-events.tsx';
import { Logs } from './job-logs.tsx';
import { Spec } from './job-spec.tsx';
import { State } from './job-state.tsx';
import { Timeline } from './job-timeline.tsx';

/** One job: how it stands, what has become of it, and what can be done. */
export function Job({ id }: { id: string }) {
  const { data, fault } = useAnswer(JobDetailDocument, { id });
  const [{ data: told, error }] = useSubscription({
    query: JobUpdatedDocument,
    variables: { id },
    pause: data?.job == null,
  });
  if (data === undefined) return fault === undefined ? <p className={ui.muted}>Loading …</p> : <Fault>{fault}</Fault>;
  if (data.job === null) return <NoSuchJob id={id} />;
  return <Shown job={{ ...data.job, ...told?.jobUpdated }} fault={error === undefined ? fault : faultOf(error)} />;
}

function NoSuchJob({ id }: { id: string }) {
  return (
    <Page
      title="There is no such job"
      lead={`The account has no job ${id}. It may have been removed because it was old.`}
    >
      <p>
        <Link href="/app/jobs">Go to the jobs</Link>
      </p>
    </Page>
  );
}

function Shown({ job, fault }: { job: Detail; fault: string | undefined }) {
  const history = useHistory(job);
  const events = history?.events.nodes ?? [];
  const isWhole = history?.events.pageInfo.hasPreviousPage === false;
  const attempts = job.attempts.nodes;
  return (
    <Page
      title={titleOf(job)}
      lead={
        <>
          <StatusBadge status={job.status} /> <span className={`${ui.mono ?? ''} ${ui.together ?? ''}`}>{job.id}</span>
        </>
      }
      actions={<JobActions job={job} />}
    >
      {fault !== undefined && <Fault>{fault}</Fault>}
      <State job={job} />
      <Timeline attempts={attempts} events={events} isWhole={isWhole} />
      <Logs jobId={job.id} attempts={attempts.map(({ number }) => number)} />
      <Attempts attempts={attempts} />
      <Events events={events} isWhole={isWhole} />
      <Spec job={job} />
      <Deliveries job={job} deliveries={history?.webhookDeliveries.nodes ?? []} />
    </Page>
  );
}

/** Webhooks go out after what they tell of, so the history is looked at again a little later (milliseconds). */
const LATER_MS = 1_500;
/** While the job lives, what no other change brings along is looked for so often. */
const LIVING_MS = 5_000;

/** What has happened, asked for again whenever that has changed. */
function useHistory(job: Detail): History | undefined {
  const isLiving = job.status === 'PENDING' || job.status === 'RUNNING';
  const { data, refresh } = useAnswer(JobHistoryDocument, { id: job.id }, isLiving ? LIVING_MS : undefined);
  const { status, attempt, lastCheckpointAt } = job;
  useEffect(() => {
    refresh();
    const timer = setTimeout(refresh, LATER_MS);
    return () => clearTimeout(timer);
    // `refresh` is another function each time, and does the same.
  }, [status, attempt?.number, attempt?.phase, lastCheckpointAt]);
  return data?.job ?? undefined;
}
