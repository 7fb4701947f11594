import { useState } from 'react';
import { type OperationResult, useMutation } from 'urql';
import { Link } from 'wouter';
import { CancelJobDocument, RetryJobDocument } from '../generated/graphql.ts';
import { refusalIn } from '../live/refusal.ts';
import { useMaySubmit } from '../live/context.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Fault, ui } from '../parts/ui.tsx';
import type { Detail } from '../live/job-detail.ts';

/** What can be done with a job as it stands. Its page shows by itself what comes of it. */
export function JobActions({ job: { id, status } }: { job: Detail }) {
  const maySubmit = useMaySubmit();
  const [fault, setFault] = useState<string>();
  const [, cancel] = useMutation(CancelJobDocument);
  const [, retry] = useMutation(RetryJobDocument);
  const told = (result: OperationResult<Record<string, object>>): void => setFault(refusalIn(result));
  if (!maySubmit) return null;
  return (
    <>
      {fault !== undefined && <Fault>{fault}</Fault>}
      {(status === 'FAILED' || status === 'CANCELED') && (
        <button type="button" className={ui.button} data-kind="primary" onClick={() => void retry({ id }).then(told)}>
          Retry
        </button>
      )}
      <Link href={`/app/submit?from=${id}`} className={ui.button}>
        Submit a copy
      </Link>
      {(status === 'PENDING' || status === 'RUNNING') && (
        <Confirm
          label="Cancel"
          question={
            status === 'RUNNING'
              ? 'The command is stopped, and nothing more is uploaded. The job can be retried later.'
              : 'The job is taken out of the queue. It can be retried later.'
          }
          yes="Cancel the job"
          onYes={() => void cancel({ id }).then(told)}
        />
      )}
    </>
  );
}
