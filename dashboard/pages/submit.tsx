import { type SubmitEvent, useEffect, useRef, useState } from 'react';
import { useMutation } from 'urql';
import { useLocation, useSearchParams } from 'wouter';
import { JobSpecDocument, SubmitJobDocument } from '../generated/graphql.ts';
import { SUBMITTERS, useAnswer } from '../live/context.ts';
import { type Issue, issuesIn, refusalIn } from '../live/refusal.ts';
import { type Draft, draftOf, EMPTY_DRAFT, fitsDraft, inputOf } from '../live/submission.ts';
import { Fault, Page, Panel, ui } from '../parts/ui.tsx';
import { Allowed } from './allowed.tsx';
import { SubmitFields } from './submit-fields.tsx';
import { SyncFields } from './submit-sync.tsx';
import styles from '../style/submit.module.css';

/** A new job, or one like another. */
export function Submit() {
  const [parameters] = useSearchParams();
  const from = parameters.get('from');
  return (
    <Allowed roles={SUBMITTERS} to="submit jobs">
      {from === null ? <Form initial={EMPTY_DRAFT} /> : <Copy key={from} from={from} />}
    </Allowed>
  );
}

function Copy({ from }: { from: string }) {
  const { data, fault } = useAnswer(JobSpecDocument, { id: from });
  if (data === undefined) return fault === undefined ? <p className={ui.muted}>Loading …</p> : <Fault>{fault}</Fault>;
  if (data.job === null) return <Fault>There is no job {from} to copy.</Fault>;
  return <Form initial={draftOf(data.job)} hint={fitsDraft(data.job) ? undefined : NOT_WHOLE} />;
}

const NOT_WHOLE =
  'An argument or a variable of this job is empty or has a line break in it, which this form cannot show: look at each before you submit.';

function Form({ initial, hint }: { initial: Draft; hint?: string | undefined }) {
  const [draft, setDraft] = useState(initial);
  const [issues, setIssues] = useState<Issue[]>([]);
  const [fault, setFault] = useState<string>();
  const [{ fetching }, submit] = useMutation(SubmitJobDocument);
  const [, navigate] = useLocation();
  const told = useRef<HTMLDivElement>(null);
  // It stands above the form, and the button below.
  useEffect(() => {
    told.current?.scrollIntoView({ block: 'nearest' });
  }, [fault, issues]);
  const change = (part: Partial<Draft>): void => setDraft((last) => ({ ...last, ...part }));
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const result = await submit({ input: inputOf(draft) });
    const answer = result.data?.submitJob;
    if (answer !== undefined && 'id' in answer) navigate(`/app/jobs/${answer.id}`);
    setIssues(issuesIn(result));
    setFault(refusalIn(result));
  };
  return (
    <Page title="Submit a job" lead="Only the command and the container group are needed.">
      {hint !== undefined && <Fault>{hint}</Fault>}
      {fault !== undefined && (
        <div ref={told}>
          <Fault>{[fault, ...issues.map(spoken)].join(' ')}</Fault>
        </div>
      )}
      <form className={styles.form} onSubmit={(event) => void send(event)}>
        <SubmitFields draft={draft} onChange={change} issueOf={(path) => issueAt(issues, path)} />
        <Panel title="Data" note="what is carried between your bucket and the machine">
          {draft.legacySync === null ? (
            <SyncFields entries={draft.sync} onChange={(sync) => change({ sync })} />
          ) : (
            <p className={ui.muted}>
              The copy carries the same data as the original, in the older form of three buckets.
            </p>
          )}
        </Panel>
        <div className={ui.actions}>
          <button type="submit" className={ui.button} data-kind="primary" disabled={fetching}>
            {fetching ? 'Submitting …' : 'Submit'}
          </button>
        </div>
      </form>
    </Page>
  );
}

function issueAt(issues: readonly Issue[], name: string): string | undefined {
  return issues.find(({ path }) => path.includes(name))?.message;
}

function spoken({ path, message }: Issue): string {
  return `${path.join('.')}: ${message}.`;
}
