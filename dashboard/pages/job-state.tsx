import { count, duration, percent, words } from '../parts/format.ts';
import { Ago } from '../parts/time.tsx';
import { Figure, Figures, Panel, ProgressBar, ui } from '../parts/ui.tsx';
import styles from '../style/job.module.css';
import { Bans } from './job-bans.tsx';
import type { Detail } from '../live/job-detail.ts';

/** How the job stands now, and why. */
export function State({ job }: { job: Detail }) {
  const isRunning = job.status === 'RUNNING';
  return (
    <Panel title="Now" note={isRunning && job.machineId !== null ? `on ${job.machineId}` : undefined}>
      <div className={styles.state}>
        {job.statusReason !== null && <p className={styles.reason}>{job.statusReason}</p>}
        {isRunning && <Progress job={job} />}
        <Figures>
          <Figure name="Submitted">
            <Ago at={job.createdAt} />
          </Figure>
          <Ended job={job} />
          <Figure name="Time in attempts">{duration(job.runSeconds)}</Figure>
          <Checkpoint job={job} />
          <Figure name="Failures">
            {count(job.numFailures)} of {count(job.maxFailures)}
          </Figure>
          <Figure name="Interruptions">
            {count(job.numInterruptions)}
            {job.maxInterruptions !== null && ` of ${count(job.maxInterruptions)}`}
          </Figure>
          {job.numSyncFailures > 0 && <Figure name="Storage faults">{count(job.numSyncFailures)}</Figure>}
          {isRunning && job.heartbeatAt !== null && (
            <Figure name="Last heard of">
              <Ago at={job.heartbeatAt} />
            </Figure>
          )}
        </Figures>
        <Bans job={job} />
      </div>
    </Panel>
  );
}

function Progress({ job: { progress, attempt } }: { job: Detail }) {
  const fraction = progress?.fraction ?? null;
  const left = progress?.secondsLeft ?? null;
  const phase = attempt?.phase ?? null;
  const said = [
    phase === null ? 'starting' : words(phase).toLowerCase(),
    progress?.message ?? '',
    left === null ? '' : `about ${duration(left)} left`,
  ];
  return (
    <div className={styles.progress}>
      <div className={styles.progressHead}>
        <span>{said.filter((text) => text !== '').join(' · ')}</span>
        <strong>{fraction === null ? '' : percent(fraction)}</strong>
      </div>
      {fraction !== null && <ProgressBar fraction={fraction} label="Progress of the job" />}
    </div>
  );
}

function Ended({ job }: { job: Detail }) {
  if (job.completedAt !== null) return <Moment name="Completed" at={job.completedAt} />;
  if (job.failedAt !== null) return <Moment name="Failed" at={job.failedAt} />;
  if (job.canceledAt !== null) return <Moment name="Canceled" at={job.canceledAt} />;
  return job.startedAt === null ? null : <Moment name="First started" at={job.startedAt} />;
}

function Moment({ name, at }: { name: string; at: string }) {
  return (
    <Figure name={name}>
      <Ago at={at} />
    </Figure>
  );
}

/** How much would be lost if the machine vanished now. */
function Checkpoint({ job }: { job: Detail }) {
  const { lastCheckpointAt, syncLagSeconds } = job;
  if (lastCheckpointAt === null && syncLagSeconds === null) return null;
  return (
    <Figure name="Last checkpoint">
      {lastCheckpointAt === null ? 'none yet' : <Ago at={lastCheckpointAt} />}
      {syncLagSeconds !== null && <span className={ui.muted}>{unsaved(syncLagSeconds)}</span>}
    </Figure>
  );
}

function unsaved(seconds: number): string {
  if (seconds === 0) return ', nothing unsaved';
  return seconds < 1 ? ', unsaved for less than 1 s' : `, unsaved for ${duration(seconds)}`;
}
