import type { ReactNode } from 'react';
import type { Draft } from '../live/submission.ts';
import { Field, Panel, ui } from '../parts/ui.tsx';
import { KNOWN_GROUPS, KnownGroups } from './known-groups.tsx';
import styles from '../style/submit.module.css';

interface Props {
  draft: Draft;
  onChange: (part: Partial<Draft>) => void;
  /** What the server had against a field. */
  issueOf: (name: string) => string | undefined;
}

type TextName = { [Name in keyof Draft]: Draft[Name] extends string ? Name : never }[keyof Draft];

/** What to run, and what becomes of it when it fails. */
export function SubmitFields(props: Props) {
  return (
    <>
      <Panel title="What to run">
        <div className={styles.fields}>
          <Text
            {...props}
            name="containerGroupId"
            label="Container group"
            list={KNOWN_GROUPS}
            required
            hint="The queue: which machines may run it."
          />
          <KnownGroups />
          <Text {...props} name="name" label="Name" />
          <Text {...props} name="command" label="Command" required hint="A program; no shell comes in between." />
          <Area {...props} name="arguments" label="Arguments" hint="One a line." />
          <Area {...props} name="environment" label="Environment" hint="NAME=value, one a line." />
          <Area {...props} name="labels" label="Labels" hint="name=value, one a line." />
        </div>
      </Panel>
      <HowFields {...props} />
    </>
  );
}

function HowFields(props: Props) {
  const { draft, onChange } = props;
  return (
    <Panel title="How it is run">
      <div className={styles.fields}>
        <Number {...props} name="priority" label="Priority" hint="-100 to 100, higher first (0)." />
        <Number {...props} name="maxFailures" label="Failures allowed" hint="Of the command itself (3)." />
        <Number {...props} name="maxInterruptions" label="Interruptions allowed" hint="Of its machines (any number)." />
        <Number
          {...props}
          name="heartbeatInterval"
          label="Heartbeat, seconds"
          hint="A lease lasts twice as long (30)."
        />
        <Number {...props} name="timeoutSeconds" label="Time limit, seconds" hint="Of one attempt (none)." />
        <Number
          {...props}
          name="stallTimeoutSeconds"
          label="Stall limit, seconds"
          hint="Without output or progress (none)."
        />
        <Text {...props} name="webhook" label="Webhook" hint="Told when it runs, and how it ended." />
        <label className={styles.check}>
          <input
            type="checkbox"
            checked={draft.compression}
            onChange={({ target }) => onChange({ compression: target.checked })}
          />
          Store files compressed (gzip)
        </label>
      </div>
    </Panel>
  );
}

interface FieldProps extends Props {
  name: TextName;
  label: string;
  hint?: string;
  required?: boolean;
}

function Text(props: FieldProps & { list?: string }) {
  return <Input {...props}>{(attributes) => <input type="text" list={props.list} {...attributes} />}</Input>;
}

function Number(props: FieldProps) {
  return (
    <Input {...props}>{(attributes) => <input type="number" inputMode="numeric" step={1} {...attributes} />}</Input>
  );
}

function Area(props: FieldProps) {
  return <Input {...props}>{(attributes) => <textarea rows={3} {...attributes} />}</Input>;
}

interface Attributes {
  className: string | undefined;
  name: string;
  value: string;
  required: boolean;
  spellCheck: false;
  'aria-invalid': boolean;
  onChange: (event: { target: { value: string } }) => void;
}

function Input(props: FieldProps & { children: (attributes: Attributes) => ReactNode }) {
  const { draft, onChange, issueOf, name, label, hint, required = false, children } = props;
  const issue = issueOf(name);
  return (
    <Field label={required ? `${label} *` : label} issue={issue} {...(hint !== undefined && { hint })}>
      {children({
        className: ui.input,
        name,
        value: draft[name],
        required,
        spellCheck: false,
        'aria-invalid': issue !== undefined,
        onChange: ({ target }) => onChange({ [name]: target.value }),
      })}
    </Field>
  );
}
