import type { SyncPlaceFragment } from '../generated/graphql.ts';
import { duration } from '../parts/format.ts';
import { Figure, Figures, Panel, ui } from '../parts/ui.tsx';
import styles from '../style/job.module.css';
import type { Detail } from '../live/job-detail.ts';

/** What was submitted. */
export function Spec({ job }: { job: Detail }) {
  const variables = Object.entries(job.environment);
  const labels = Object.entries(job.labels);
  return (
    <Panel title="Submission">
      <div className={styles.spec}>
        <pre className={styles.commandLine} aria-label="Command">
          {[job.command, ...job.arguments].map(quoted).join(' ')}
        </pre>
        <Figures>
          <Figure name="Container group">{job.containerGroupId}</Figure>
          <Figure name="Priority">{job.priority}</Figure>
          <Figure name="Heartbeat every">{duration(job.heartbeatInterval)}</Figure>
          <Figure name="Time limit">{job.timeoutSeconds === null ? 'none' : duration(job.timeoutSeconds)}</Figure>
          <Figure name="Stall limit">
            {job.stallTimeoutSeconds === null ? 'none' : duration(job.stallTimeoutSeconds)}
          </Figure>
          <Figure name="Compression">{job.compression ? 'gzip' : 'none'}</Figure>
          {labels.length > 0 && (
            <Figure name="Labels">{labels.map(([name, value]) => `${name}=${String(value)}`).join(', ')}</Figure>
          )}
        </Figures>
        {variables.length > 0 && (
          <div>
            <h3>Environment</h3>
            <pre className={styles.commandLine}>
              {variables.map(([name, value]) => `${name}=${String(value)}`).join('\n')}
            </pre>
          </div>
        )}
        <SyncEntries job={job} />
      </div>
    </Panel>
  );
}

function SyncEntries({ job: { sync, legacySync } }: { job: Detail }) {
  const rows: { when: string; entry: Omit<SyncPlaceFragment, 'direction' | 'patternSyntax'> }[] = [
    ...(sync?.before ?? []).map((entry) => ({ when: 'before', entry })),
    ...(sync?.during ?? []).map((entry) => ({ when: 'during', entry })),
    ...(sync?.after ?? []).map((entry) => ({ when: 'after', entry })),
    ...(legacySync == null ? [] : legacyRows(legacySync)),
  ];
  if (rows.length === 0) return <p className={ui.muted}>Nothing is carried between storage and machine.</p>;
  return (
    <div className={ui.scroll} tabIndex={0} role="region" aria-label="Table of sync entries">
      <table className={ui.table}>
        <thead>
          <tr>
            <th>Sync</th>
            <th>Bucket and prefix</th>
            <th>Local path</th>
            <th>Files</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ when, entry }, index) => (
            <tr key={index}>
              <td>{when}</td>
              <td className={ui.mono}>
                {entry.bucket}/{entry.prefix}
              </td>
              <td className={ui.mono}>{entry.localPath}</td>
              <td className={ui.mono}>{entry.pattern ?? 'all'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function legacyRows(legacy: NonNullable<Detail['legacySync']>) {
  const row = (when: string, bucket: string, prefix: string, localPath: string) => ({
    when,
    entry: { bucket, prefix, localPath, pattern: null },
  });
  return [
    row('before', legacy.inputBucket, legacy.inputPrefix, 'INPUT_DIR'),
    row('before and during', legacy.checkpointBucket, legacy.checkpointPrefix, 'CHECKPOINT_DIR'),
    row('during and after', legacy.outputBucket, legacy.outputPrefix, 'OUTPUT_DIR'),
  ];
}

/** As a shell would take it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
