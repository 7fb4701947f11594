import { type SubmitEvent, useState } from 'react';
import { useMutation } from 'urql';
import { type ApiKeyRole, ApiKeysDocument, CreateApiKeyDocument, RevokeApiKeyDocument } from '../generated/graphql.ts';
import { MANAGERS, useAnswer } from '../live/context.ts';
import { refusalIn } from '../live/refusal.ts';
import { Command, Empty } from '../parts/command.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { count, words } from '../parts/format.ts';
import { Ago } from '../parts/time.tsx';
import { Fault, Field, Page, Panel, ui } from '../parts/ui.tsx';
import { Allowed } from './allowed.tsx';
import styles from '../style/keys.module.css';

const ROLES = {
  OWNER: 'everything in the account',
  SUBMITTER: 'submits and reads',
  VIEWER: 'reads',
  AGENT: 'claims and reports, and nothing else',
} as const satisfies Record<ApiKeyRole, string>;

const EVERY_MS = 10_000;

/** The account's keys: made here, told once, revoked at once. */
export function Keys() {
  return (
    <Allowed roles={MANAGERS} to="see or make keys">
      <AccountKeys />
    </Allowed>
  );
}

function AccountKeys() {
  const { data, fault, refresh } = useAnswer(ApiKeysDocument, {}, EVERY_MS);
  return (
    <Page title="Keys" lead="Give each person and each program a key of its own, with no more rights than it needs.">
      {fault !== undefined && <Fault>{fault}</Fault>}
      <NewKey onCreated={refresh} />
      {data !== undefined && <KeyTable keys={data.apiKeys} onRevoked={refresh} />}
    </Page>
  );
}

function NewKey({ onCreated }: { onCreated: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<ApiKeyRole>('VIEWER');
  const [secret, setSecret] = useState<string>();
  const [fault, setFault] = useState<string>();
  const [{ fetching }, create] = useMutation(CreateApiKeyDocument);
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const result = await create({ name: name.trim() === '' ? null : name.trim(), role });
    const answer = result.data?.createApiKey;
    setFault(refusalIn(result));
    setSecret(answer !== undefined && 'secret' in answer ? answer.secret : undefined);
    if (refusalIn(result) === undefined) setName('');
    onCreated();
  };
  return (
    <Panel title="New key">
      <form className={styles.form} onSubmit={(event) => void send(event)}>
        <Field label="Name">
          <input className={ui.input} name="name" value={name} onChange={({ target }) => setName(target.value)} />
        </Field>
        <Field label="Role">
          <select
            className={ui.input}
            name="role"
            value={role}
            onChange={({ target }) => setRole(roleIn(target.value))}
          >
            {Object.entries(ROLES).map(([each, may]) => (
              <option key={each} value={each}>
                {words(each)}: {may}
              </option>
            ))}
          </select>
        </Field>
        <button type="submit" className={ui.button} data-kind="primary" disabled={fetching}>
          Create
        </button>
      </form>
      {fault !== undefined && <Fault>{fault}</Fault>}
      {secret !== undefined && <Secret text={secret} />}
    </Panel>
  );
}

function Secret({ text }: { text: string }) {
  return (
    <div className={styles.secret} role="status">
      <p>
        <strong>Copy the key now.</strong> It is shown this once, and can’t be looked up again.
      </p>
      <Command text={text} />
    </div>
  );
}

interface Key {
  id: string;
  isPresented: boolean;
  name: string | null;
  role: ApiKeyRole;
  createdAt: string;
}

function KeyTable({ keys, onRevoked }: { keys: readonly Key[]; onRevoked: () => void }) {
  const [, revoke] = useMutation(RevokeApiKeyDocument);
  const [fault, setFault] = useState<string>();
  const revoked = async (id: string): Promise<void> => {
    setFault(refusalIn(await revoke({ id })));
    onRevoked();
  };
  return (
    <Panel title="Keys in use" note={count(keys.length)} bare>
      {fault !== undefined && <Fault>{fault}</Fault>}
      {keys.length === 0 ? (
        <Empty title="No keys">The account has none that is not revoked.</Empty>
      ) : (
        <div className={ui.scroll} tabIndex={0} role="region" aria-label="Table of keys">
          <table className={ui.table}>
            <thead>
              <tr>
                <th>Name</th>
                <th>Role</th>
                <th>Made</th>
                <th>
                  <span className={ui.hidden}>Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.map((key) => (
                <KeyRow key={key.id} known={key} onRevoke={() => void revoked(key.id)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function KeyRow({ known, onRevoke }: { known: Key; onRevoke: () => void }) {
  const { name, role, createdAt, isPresented } = known;
  const ending = isPresented ? 'It is the one that this page is open under.' : 'What is open under it ends.';
  return (
    <tr>
      <td>
        {name ?? <span className={ui.muted}>without a name</span>}
        {isPresented && <span className={ui.muted}> (this one)</span>}
      </td>
      <td>{words(role)}</td>
      <td>
        <Ago at={createdAt} />
      </td>
      <td data-number>
        <Confirm
          quiet
          label="Revoke"
          question={`Whoever uses the key ${name ?? 'without a name'} is refused from now on. ${ending} This can’t be undone.`}
          yes="Revoke the key"
          onYes={onRevoke}
        />
      </td>
    </tr>
  );
}

function roleIn(value: string): ApiKeyRole {
  return value === 'OWNER' || value === 'SUBMITTER' || value === 'AGENT' ? value : 'VIEWER';
}
