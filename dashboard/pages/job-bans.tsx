import { useState } from 'react';
import { useMutation } from 'urql';
import { LiftBanDocument } from '../generated/graphql.ts';
import { useMaySubmit } from '../live/context.ts';
import type { Detail } from '../live/job-detail.ts';
import { refusalIn } from '../live/refusal.ts';
import { counted } from '../parts/format.ts';
import { Fault, ui } from '../parts/ui.tsx';
import styles from '../style/job.module.css';

/** So many are named; the attempts below have them all. */
const MOST_NAMED = 5;

/** The machines that do not get the job again, and for whoever may submit the way to let them. The page shows by itself what comes of it. */
export function Bans({ job: { id, status, bans } }: { job: Detail }) {
  const mayLift = useMaySubmit() && status !== 'COMPLETED';
  const [fault, setFault] = useState<string>();
  const [, lift] = useMutation(LiftBanDocument);
  if (bans.length === 0) return null;
  const rest = bans.length - MOST_NAMED;
  return (
    <div className={styles.bans}>
      <p className={ui.muted}>Not again on</p>
      <ul>
        {bans.slice(0, MOST_NAMED).map(({ machineId, reason }) => (
          <li key={machineId}>
            <span className={ui.mono} title={reason}>
              {machineId}
            </span>
            {mayLift && (
              <button
                type="button"
                className={ui.button}
                data-kind="quiet"
                aria-label={`Lift the ban of ${machineId}`}
                onClick={() => void lift({ jobId: id, machineId }).then((result) => setFault(refusalIn(result)))}
              >
                Lift the ban
              </button>
            )}
          </li>
        ))}
        {rest > 0 && <li className={ui.muted}>and {counted(rest, 'other machine')}</li>}
      </ul>
      {fault !== undefined && <Fault>{fault}</Fault>}
    </div>
  );
}
