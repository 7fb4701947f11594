import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { Provider } from 'urql';
import { ViewerDocument } from './generated/graphql.ts';
import { type Connection, type Link, openConnection } from './live/connection.ts';
import { SessionContext, useAnswer, useSession } from './live/context.ts';
import { createStore, useStore } from './live/store.ts';

/** How long to wait before a broken connection is replaced by another one (milliseconds). */
const REPLACE_MS = 2_000;

/** Holds the connection of a key for as long as the key is good, and says when it no longer is. */
export function Connected(props: { apiKey: string; onLeave: (why?: string) => void; children: ReactNode }) {
  const { apiKey, onLeave } = props;
  const [link] = useState(() => createStore<Link>({ status: 'CONNECTING', epoch: 0, reason: '', awayMs: 0 }));
  const { status, reason } = useStore(link);
  const [connection, setConnection] = useState<Connection>();
  const [generation, setGeneration] = useState(0);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const opened = openConnection(apiKey, link, () => {
      link.set({ ...link.get(), status: 'LOST' });
      timer = setTimeout(() => setGeneration((last) => last + 1), REPLACE_MS);
    });
    setConnection(opened);
    return () => {
      clearTimeout(timer);
      opened.close();
    };
  }, [apiKey, link, generation]);

  useEffect(() => {
    if (status === 'REFUSED') onLeave(`The server no longer takes this key: ${reason || 'it was refused'}.`);
  }, [status, reason, onLeave]);

  if (connection === undefined) return null;
  return (
    <Provider key={generation} value={connection.urql}>
      <SessionContext value={{ connection, role: undefined, signOut: () => onLeave() }}>
        <WithRole>{props.children}</WithRole>
      </SessionContext>
    </Provider>
  );
}

/** What the key may do is asked like anything else: a page that is loaded while the server is away finds out later. */
function WithRole({ children }: { children: ReactNode }) {
  const session = useSession();
  const { data } = useAnswer(ViewerDocument, {});
  const role = data?.viewer.role;
  const known = useMemo(() => ({ ...session, role }), [session, role]);
  return <SessionContext value={known}>{children}</SessionContext>;
}
