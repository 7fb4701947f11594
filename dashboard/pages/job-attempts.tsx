import { bytes, count, words } from '../parts/format.ts';
import { Ago, Lasting } from '../parts/time.tsx';
import { Badge, Panel, type Tone, ui } from '../parts/ui.tsx';
import type { Detail } from '../live/job-detail.ts';

type Attempt = Detail['attempts']['nodes'][number];

/** Every attempt with how it ended, the newest first. */
export function Attempts({ attempts }: { attempts: readonly Attempt[] }) {
  if (attempts.length === 0) return null;
  return (
    <Panel title="Attempts" note={count(attempts.length)} bare>
      <div className={ui.scroll} tabIndex={0} role="region" aria-label="Table of attempts">
        <table className={ui.table}>
          <thead>
            <tr>
              <th data-number>#</th>
              <th>Machine</th>
              <th>Outcome</th>
              <th>Reason</th>
              <th>Began</th>
              <th>Took</th>
              <th data-number>Down</th>
              <th data-number>Up</th>
            </tr>
          </thead>
          <tbody>
            {attempts.toReversed().map((attempt) => (
              <Row key={attempt.number} attempt={attempt} />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Row({ attempt }: { attempt: Attempt }) {
  const { number, machineId, outcome, reason, exitCode, signal, startedAt, endedAt } = attempt;
  return (
    <tr>
      <td data-number>{number}</td>
      <td className={ui.mono} data-clipped title={machineId}>
        {machineId}
      </td>
      <td>
        <Badge tone={toneOf(outcome)}>{outcome === null ? words(attempt.phase ?? 'STARTING') : words(outcome)}</Badge>
      </td>
      <td data-text>{reason ?? codeOf(exitCode, signal) ?? '–'}</td>
      <td data-tight>
        <Ago at={startedAt} />
      </td>
      <td data-tight>
        <Lasting from={startedAt} to={endedAt} />
      </td>
      <td data-number>{bytes(attempt.bytesDownloaded)}</td>
      <td data-number>{bytes(attempt.bytesUploaded)}</td>
    </tr>
  );
}

/** Polling workers report no reason. */
function codeOf(exitCode: number | null, signal: string | null): string | null {
  return exitCode === null ? signal : `exit code ${exitCode}`;
}

function toneOf(outcome: Attempt['outcome']): Tone {
  switch (outcome) {
    case null:
      return 'running';
    case 'COMPLETED':
      return 'completed';
    case 'FAILED':
    case 'SYNC_FAILED':
    case 'TIMED_OUT':
      return 'failed';
    case 'LOST':
    case 'RELEASED':
      return 'pending';
    case 'CANCELED':
      return 'neutral';
  }
}
