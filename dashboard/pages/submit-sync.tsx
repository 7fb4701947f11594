import type { DraftEntry } from '../live/submission.ts';
import { Field, ui } from '../parts/ui.tsx';
import styles from '../style/submit.module.css';

const NEW_ENTRY: DraftEntry = {
  ...{ when: 'during', bucket: '', prefix: '', localPath: '', pattern: '', patternSyntax: null },
};

const WHEN = {
  before: 'Download before it starts',
  during: 'Upload while it runs',
  after: 'Upload when it has succeeded',
} as const satisfies Record<DraftEntry['when'], string>;

/** What is carried, one entry after the other. */
export function SyncFields({
  entries,
  onChange,
}: {
  entries: DraftEntry[];
  onChange: (entries: DraftEntry[]) => void;
}) {
  const change = (index: number, part: Partial<DraftEntry>): void =>
    onChange(entries.map((entry, at) => (at === index ? { ...entry, ...part } : entry)));
  return (
    <div className={styles.entries}>
      {entries.length === 0 && (
        <p className={ui.muted}>
          Nothing yet. A job survives the loss of its machine by what it uploads while it runs, and downloads before it
          starts.
        </p>
      )}
      {entries.map((entry, index) => (
        <Entry
          key={index}
          number={index + 1}
          entry={entry}
          onChange={(part) => change(index, part)}
          onRemove={() => onChange(entries.filter((_, at) => at !== index))}
        />
      ))}
      <div>
        <button type="button" className={ui.button} onClick={() => onChange([...entries, NEW_ENTRY])}>
          Add a directory
        </button>
      </div>
    </div>
  );
}

interface EntryProps {
  number: number;
  entry: DraftEntry;
  onChange: (part: Partial<DraftEntry>) => void;
  onRemove: () => void;
}

function Entry({ number, entry, onChange, onRemove }: EntryProps) {
  const text = (name: 'bucket' | 'prefix' | 'localPath' | 'pattern', label: string, required: boolean) => (
    <Field label={required ? `${label} *` : label}>
      <input
        className={ui.input}
        value={entry[name]}
        required={required}
        spellCheck={false}
        onChange={({ target }) => onChange({ [name]: target.value })}
      />
    </Field>
  );
  return (
    <fieldset className={styles.entry}>
      <legend className={ui.hidden}>Directory {number}</legend>
      <Field label="When">
        <select
          className={ui.input}
          value={entry.when}
          onChange={({ target }) => onChange({ when: whenIn(target.value) })}
        >
          {Object.entries(WHEN).map(([when, label]) => (
            <option key={when} value={when}>
              {label}
            </option>
          ))}
        </select>
      </Field>
      {text('localPath', 'Local path', true)}
      {text('bucket', 'Bucket', true)}
      {text('prefix', 'Prefix', false)}
      {text('pattern', 'Only files like', false)}
      <button type="button" className={ui.button} data-kind="quiet" onClick={onRemove}>
        Remove
      </button>
    </fieldset>
  );
}

function whenIn(value: string): DraftEntry['when'] {
  return value === 'before' || value === 'after' ? value : 'during';
}
