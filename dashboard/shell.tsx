import type { ReactNode } from 'react';
import { Link, useRoute } from 'wouter';
import { useMayManage, useMaySubmit, useSession } from './live/context.ts';
import { useStore } from './live/store.ts';
import { words } from './parts/format.ts';
import { ui } from './parts/ui.tsx';
import icon from './style/icon.svg';
import styles from './style/shell.module.css';

/** What is around every page: where one can go, and how the page stands with its server. */
export function Shell({ children }: { children: ReactNode }) {
  const { role, signOut } = useSession();
  const maySubmit = useMaySubmit();
  const mayManage = useMayManage();
  const [isSubmitting] = useRoute('/app/submit');
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#content">
        Skip to the content
      </a>
      <header className={styles.head}>
        <Link href="/" className={styles.brand}>
          <img src={icon} alt="" width="26" height="26" />
          Kelpie
        </Link>
        <nav className={styles.nav} aria-label="Main">
          <NavLink href="/" label="Overview" />
          <NavLink href="/app/jobs" label="Jobs" />
          <NavLink href="/app/agents" label="Agents" />
          <NavLink href="/app/scaling" label="Scaling" />
          {mayManage && <NavLink href="/app/keys" label="Keys" />}
        </nav>
        <div className={styles.side}>
          <LinkState />
          {maySubmit && !isSubmitting && (
            <Link href="/app/submit" className={ui.button} data-kind="primary">
              Submit a job
            </Link>
          )}
          <button
            type="button"
            className={ui.button}
            onClick={signOut}
            title={role && `Role of the key: ${words(role)}`}
          >
            Sign out
          </button>
        </div>
      </header>
      <main className={styles.main} id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function NavLink({ href, label }: { href: string; label: string }) {
  const [isHere] = useRoute(href);
  const [isBelow] = useRoute(`${href}/*`);
  const isCurrent = isHere || (isBelow && href !== '/');
  return (
    <Link href={href} aria-current={isCurrent ? 'page' : undefined}>
      {label}
    </Link>
  );
}

const SAID = {
  CONNECTING: 'Connecting …',
  LIVE: 'Live',
  LOST: 'Disconnected, trying again …',
  REFUSED: 'The key was refused',
} as const;

/** What is shown is as of now only while this says so. */
function LinkState() {
  const { status } = useStore(useSession().connection.link);
  return (
    <span className={styles.link} data-status={status} role="status">
      {SAID[status]}
    </span>
  );
}
