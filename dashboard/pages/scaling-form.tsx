import { type SubmitEvent, useState } from 'react';
import { type OperationResult, useMutation } from 'urql';
import {
  CreateScalingRuleDocument,
  DeleteScalingRuleDocument,
  UpdateScalingRuleDocument,
} from '../generated/graphql.ts';
import { type Issue, issuesIn, refusalIn } from '../live/refusal.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Fault, Field, Panel, ui } from '../parts/ui.tsx';
import { KNOWN_GROUPS, KnownGroups } from './known-groups.tsx';
import styles from '../style/fleet.module.css';

/** What a rule says. */
interface Terms {
  minReplicas: number;
  maxReplicas: number;
  idleThresholdSeconds: number;
}

/** As a form has it: an empty text stands for the server's default. */
type Draft = Record<keyof Terms, string>;

const FIELDS = [
  ['minReplicas', 'Replicas at least', '0 to 500 (0).'],
  ['maxReplicas', 'Replicas at most', '0 to 500 (100).'],
  ['idleThresholdSeconds', 'Idle threshold, seconds', 'How long the queue is empty first, 0 to 3,600 (300).'],
] as const satisfies [keyof Terms, string, string][];

const EMPTY: Draft = { minReplicas: '', maxReplicas: '', idleThresholdSeconds: '' };

/** A rule for a group that has none. */
export function NewRule({ onDone, onClose }: { onDone: () => void; onClose: (() => void) | undefined }) {
  const [group, setGroup] = useState('');
  const [draft, setDraft] = useState(EMPTY);
  const [, create] = useMutation(CreateScalingRuleDocument);
  const { fault, issueOf, isSending, send } = useSending(async () => {
    const result = await create({ input: { containerGroupId: group.trim(), ...termsOf(draft) } });
    if (refusalIn(result) === undefined) {
      setGroup('');
      setDraft(EMPTY);
      onDone();
    }
    return result;
  });
  const issue = issueOf('containerGroupId');
  return (
    <Panel title="New rule">
      <form className={styles.ruleForm} onSubmit={send}>
        {fault !== undefined && <Fault>{fault}</Fault>}
        <div className={styles.terms}>
          <Field label="Container group *" hint="The queue that it follows." issue={issue}>
            <input
              className={ui.input}
              name="containerGroupId"
              list={KNOWN_GROUPS}
              required
              spellCheck={false}
              aria-invalid={issue !== undefined}
              value={group}
              onChange={({ target }) => setGroup(target.value)}
            />
          </Field>
          <KnownGroups />
          <TermFields draft={draft} onChange={setDraft} issueOf={issueOf} />
        </div>
        <Buttons yes="Make the rule" isSending={isSending} onClose={onClose} />
      </form>
    </Panel>
  );
}

/** Changes a rule: only what is another value is sent, so that nobody's other change is undone. */
export function ChangeRule(props: {
  rule: Terms & { containerGroupId: string };
  onDone: () => void;
  onClose: () => void;
}) {
  const { rule, onDone, onClose } = props;
  const [first] = useState<Draft>({
    minReplicas: String(rule.minReplicas),
    maxReplicas: String(rule.maxReplicas),
    idleThresholdSeconds: String(rule.idleThresholdSeconds),
  });
  const [draft, setDraft] = useState(first);
  const [, update] = useMutation(UpdateScalingRuleDocument);
  const { fault, issueOf, isSending, send } = useSending(async () => {
    const changed = Object.entries(termsOf(draft)).filter(
      ([name]) => draft[name as keyof Draft] !== first[name as keyof Draft],
    );
    if (changed.length === 0) {
      // The server would take it for a change: the rule would begin anew.
      onClose();
      return undefined;
    }
    const input = { containerGroupId: rule.containerGroupId, ...Object.fromEntries(changed) };
    const result = await update({ input });
    if (refusalIn(result) === undefined) {
      onDone();
      onClose();
    }
    return result;
  });
  return (
    <form className={styles.ruleForm} aria-label={`Rule of ${rule.containerGroupId}`} onSubmit={send}>
      {fault !== undefined && <Fault>{fault}</Fault>}
      <div className={styles.terms}>
        <TermFields draft={draft} onChange={setDraft} issueOf={issueOf} isWhole />
      </div>
      <Buttons yes="Save" isSending={isSending} onClose={onClose} />
    </form>
  );
}

export function RemoveRule({
  group,
  onDone,
  onFault,
}: {
  group: string;
  onDone: () => void;
  onFault: (fault: string | undefined) => void;
}) {
  const [, remove] = useMutation(DeleteScalingRuleDocument);
  const accept = async (): Promise<void> => {
    onFault(refusalIn(await remove({ containerGroupId: group })));
    onDone();
  };
  return (
    <Confirm
      label="Remove"
      question={`The group ${group} keeps the replicas that it has, and no longer follows its queue.`}
      yes="Remove the rule"
      onYes={() => void accept()}
    />
  );
}

interface TermProps {
  draft: Draft;
  onChange: (draft: Draft) => void;
  issueOf: (name: string) => string | undefined;
  /** Every field has a value, and none stands for a default. */
  isWhole?: boolean;
}

function TermFields({ draft, onChange, issueOf, isWhole = false }: TermProps) {
  return FIELDS.map(([name, label, hint]) => (
    <Field key={name} label={label} hint={hint} issue={issueOf(name)}>
      <input
        className={ui.input}
        type="number"
        inputMode="numeric"
        step={1}
        name={name}
        required={isWhole}
        aria-invalid={issueOf(name) !== undefined}
        value={draft[name]}
        onChange={({ target }) => onChange({ ...draft, [name]: target.value })}
      />
    </Field>
  ));
}

function Buttons({ yes, isSending, onClose }: { yes: string; isSending: boolean; onClose: (() => void) | undefined }) {
  return (
    <div className={ui.actions}>
      <button type="submit" className={ui.button} data-kind="primary" disabled={isSending}>
        {yes}
      </button>
      {onClose !== undefined && (
        <button type="button" className={ui.button} onClick={onClose}>
          Leave it
        </button>
      )}
    </div>
  );
}

/** Sends once at a time, if there is anything to send, and keeps what the server had against it: at a field, or else at the whole. */
function useSending(send: () => Promise<OperationResult<Record<string, object>> | undefined>) {
  const [issues, setIssues] = useState<Issue[]>([]);
  const [fault, setFault] = useState<string>();
  const [isSending, setSending] = useState(false);
  const sent = async (): Promise<void> => {
    setSending(true);
    const result = await send();
    setSending(false);
    if (result === undefined) return;
    const found = issuesIn(result);
    setIssues(found);
    const elsewhere = found.filter(({ path }) => !NAMES.some((name) => path.includes(name)));
    if (found.length === 0) setFault(refusalIn(result));
    else setFault(elsewhere.length === 0 ? undefined : elsewhere.map(({ message }) => message).join(' '));
  };
  return {
    fault,
    isSending,
    issueOf: (name: string) => issues.find(({ path }) => path.includes(name))?.message,
    send: (event: SubmitEvent) => {
      event.preventDefault();
      void sent();
    },
  };
}

const NAMES = ['containerGroupId', ...FIELDS.map(([name]) => name)];

function termsOf(draft: Draft): { [term in keyof Terms]: number | null } {
  const number = (text: string): number | null => (text.trim() === '' ? null : Number(text));
  return {
    minReplicas: number(draft.minReplicas),
    maxReplicas: number(draft.maxReplicas),
    idleThresholdSeconds: number(draft.idleThresholdSeconds),
  };
}
