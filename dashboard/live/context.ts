import { createContext, useContext, useEffect, useRef } from 'react';
import { type AnyVariables, type TypedDocumentNode, useQuery } from 'urql';
import type { ApiKeyRole } from '../generated/graphql.ts';
import { type Connection, faultOf } from './connection.ts';
import { useStore } from './store.ts';

export interface Session {
  connection: Connection;
  /** What the key may do; undefined until the server has said so. */
  role: ApiKeyRole | undefined;
  signOut: () => void;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('Expected to be shown within a session');
  return session;
}

/** Who may submit, cancel and retry. */
export const SUBMITTERS: readonly ApiKeyRole[] = ['OWNER', 'SUBMITTER'];
/** Who may make, change and remove rules, and see and make keys. */
export const MANAGERS: readonly ApiKeyRole[] = ['OWNER'];

/** Whether the key is known to be one that may submit. */
export function useMaySubmit(): boolean {
  return isOneOf(SUBMITTERS, useSession().role);
}

/** Whether the key is known to be one that may manage. */
export function useMayManage(): boolean {
  return isOneOf(MANAGERS, useSession().role);
}

function isOneOf(roles: readonly ApiKeyRole[], role: ApiKeyRole | undefined): boolean {
  return role !== undefined && roles.includes(role);
}

/**
 * What a question tells, asked again after every reconnection, and every so often (milliseconds) while the page is seen. While it is
 * asked again, and when that fails, the last answer stays.
 */
export function useAnswer<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  everyMs?: number,
): { data: Data | undefined; fault: string | undefined; refresh: () => void } {
  const { epoch } = useStore(useSession().connection.link);
  const [{ data: told, error }, execute] = useQuery({ query, variables });
  // An answer that consists of a refusal alone has null for its data.
  const data = told ?? undefined;
  const refresh = (): void => execute({ requestPolicy: 'network-only' });
  const newest = useRef(refresh);
  newest.current = refresh;
  const hasData = useRef(false);
  hasData.current = data !== undefined;
  const last = useLast(data, JSON.stringify(variables));
  const first = useRef(epoch);
  useEffect(() => {
    // The first connection is made while the first answer is on its way.
    if (epoch !== first.current && (epoch > 1 || !hasData.current)) newest.current();
    first.current = epoch;
  }, [epoch]);
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) newest.current();
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return { data: last, fault: error === undefined ? undefined : faultOf(error), refresh };
}

/** The newest value that there was for a question: one that failed has none. */
function useLast<Data>(data: Data | undefined, question: string): Data | undefined {
  const known = useRef<{ question: string; data: Data }>(undefined);
  if (data !== undefined) known.current = { question, data };
  return known.current?.question === question ? known.current.data : undefined;
}
