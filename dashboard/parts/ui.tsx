import type { ReactNode } from 'react';
import type { AgentState, JobStatus } from '../generated/graphql.ts';
import forms from '../style/forms.module.css';
import tables from '../style/tables.module.css';
import styles from '../style/ui.module.css';
import { words } from './format.ts';

export type Tone = 'pending' | 'running' | 'completed' | 'failed' | 'neutral';

const toneOfStatus: Readonly<Record<JobStatus, Tone>> = {
  PENDING: 'pending',
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELED: 'neutral',
};

const toneOfAgent: Readonly<Record<AgentState, Tone>> = {
  IDLE: 'completed',
  BUSY: 'running',
  DRAINING: 'pending',
  GONE: 'neutral',
};

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={styles.badge} data-tone={tone}>
      {children}
    </span>
  );
}

export function StatusBadge({ status }: { status: JobStatus }) {
  return <Badge tone={toneOfStatus[status]}>{words(status)}</Badge>;
}

export function AgentBadge({ state }: { state: AgentState }) {
  return <Badge tone={toneOfAgent[state]}>{words(state)}</Badge>;
}

/** A page: one heading, what it is, what can be done, and its parts below. */
export function Page(props: { title: ReactNode; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <div className={styles.page}>
      <header className={styles.pageHead}>
        <div>
          <h1>{props.title}</h1>
          {props.lead !== undefined && <div className={styles.lead}>{props.lead}</div>}
        </div>
        {props.actions !== undefined && <div className={styles.actions}>{props.actions}</div>}
      </header>
      {props.children}
    </div>
  );
}

export function Panel(props: { title: string; note?: ReactNode; bare?: boolean; children: ReactNode }) {
  return (
    <section className={styles.panel} aria-label={props.title}>
      <header className={styles.panelHead}>
        <h2>{props.title}</h2>
        {props.note !== undefined && <div className={styles.panelNote}>{props.note}</div>}
      </header>
      {props.bare === true ? props.children : <div className={styles.panelBody}>{props.children}</div>}
    </section>
  );
}

/** Name and value, in a list of them. */
export function Figure({ name, large, children }: { name: string; large?: boolean; children: ReactNode }) {
  return (
    <div className={styles.figure} data-large={large === true ? '' : undefined}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Figures({ children }: { children: ReactNode }) {
  return <dl className={styles.figures}>{children}</dl>;
}

/** What went wrong, told aloud as well. */
export function Fault({ children }: { children: ReactNode }) {
  return (
    <div className={styles.fault} role="alert">
      {children}
    </div>
  );
}

/** `fraction` between 0 and 1. */
export function ProgressBar({ fraction, label }: { fraction: number; label: string }) {
  const part = Math.max(0, Math.min(1, fraction));
  return (
    <div
      className={styles.bar}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(part * 100)}
      style={{ backgroundSize: `${part * 100}% 100%` }}
    />
  );
}

export function Field(props: { label: string; hint?: string; issue?: string | undefined; children: ReactNode }) {
  return (
    <label className={forms.field}>
      <span>{props.label}</span>
      {props.children}
      {props.hint !== undefined && <small>{props.hint}</small>}
      {props.issue !== undefined && <span className={forms.issue}>{props.issue}</span>}
    </label>
  );
}

/** The classes that all pages share. */
export const ui = { ...styles, ...forms, ...tables };
