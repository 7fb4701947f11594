import { type SubmitEvent, useState } from 'react';
import { stringifyDocument } from '@urql/core';
import { ViewerDocument, type ViewerQuery } from '../generated/graphql.ts';
import { KEY_HEADER } from '../live/connection.ts';
import { Command } from '../parts/command.tsx';
import { Fault, Field, ui } from '../parts/ui.tsx';
import icon from '../style/icon.svg';
import styles from '../style/shell.module.css';

/** The door: a key is looked at before it is let in. */
export function SignIn({ notice, onKey }: { notice: string | undefined; onKey: (key: string) => void }) {
  const [key, setKey] = useState('');
  const [fault, setFault] = useState(notice);
  const [isAsking, setAsking] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setAsking(true);
    const found = await faultOfKey(key.trim());
    setAsking(false);
    if (found === undefined) onKey(key.trim());
    else setFault(found);
  };
  return (
    <main className={styles.door}>
      <div className={styles.mark}>
        <img src={icon} alt="" width="36" height="36" />
        <h1>Kelpie</h1>
      </div>
      {fault !== undefined && <Fault>{fault}</Fault>}
      <form onSubmit={(event) => void submit(event)}>
        <Field
          label="API key"
          hint="Kept for this tab only. A key that may read shows everything; an owner’s may change it."
        >
          <input
            className={ui.input}
            type="password"
            name="key"
            autoComplete="off"
            spellCheck={false}
            required
            value={key}
            onChange={({ target }) => setKey(target.value)}
          />
        </Field>
        <button type="submit" className={ui.button} data-kind="primary" disabled={isAsking}>
          {isAsking ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
      <Where />
    </main>
  );
}

function Where() {
  return (
    <details>
      <summary>Where do I get a key?</summary>
      <div>
        <p>
          <code>npm run dev</code> prints one. On a server of yours:
        </p>
        <Command text="npm run admin -- create-key --account me" />
      </div>
    </details>
  );
}

/** Why a key does not open the dashboard; undefined when it does. */
async function faultOfKey(key: string): Promise<string | undefined> {
  // What is no header's value would be refused by the browser, in its own words.
  if (!/^[\x21-\x7e]+$/.test(key)) return 'A key consists of letters, digits and signs, without spaces: copy it again.';
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', [KEY_HEADER]: key },
    body: JSON.stringify({ query: stringifyDocument(ViewerDocument) }),
  }).catch(() => undefined);
  if (response === undefined) return 'The server does not answer. Try again in a moment.';
  if (response.status === 401 || response.status === 403) {
    return 'This key is unknown, revoked or expired. Copy it again, or ask an owner of the account for another one.';
  }
  // GraphQL over HTTP: this server answers nothing else.
  const { data, errors } = (await response.json().catch(() => ({}))) as {
    data?: ViewerQuery | null;
    errors?: { message: string }[];
  };
  if (data == null) return errors?.map(({ message }) => message).join(' ') ?? `The server answered ${response.status}.`;
  if (data.viewer.role === 'AGENT') {
    return 'This is an agent’s key: it claims and reports, and may not look. Sign in with a key of another role.';
  }
  return undefined;
}
