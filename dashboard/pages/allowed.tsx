import type { ReactNode } from 'react';
import type { ApiKeyRole } from '../generated/graphql.ts';
import { useSession } from '../live/context.ts';
import { Fault, ui } from '../parts/ui.tsx';

/** A page for some roles alone. While it is not known which one the key has, nothing is said of it. */
export function Allowed(props: { roles: readonly ApiKeyRole[]; to: string; children: ReactNode }) {
  const { roles, to, children } = props;
  const { role } = useSession();
  if (role === undefined) return <p className={ui.muted}>Loading …</p>;
  if (roles.includes(role)) return children;
  return (
    <Fault>
      A key of the role {role} may not {to}. Sign in with one of the role {roles.join(' or ')}.
    </Fault>
  );
}
