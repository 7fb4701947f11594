import type { PastEvent } from '../live/timeline.ts';
import { bytes, clockTime, count, counted, moment, percent, words } from '../parts/format.ts';
import { Panel } from '../parts/ui.tsx';
import styles from '../style/job.module.css';

/** What has happened, newest first. */
export function Events({ events, isWhole }: { events: readonly PastEvent[]; isWhole: boolean }) {
  if (events.length === 0) return null;
  return (
    <Panel title="Events" note={isWhole ? count(events.length) : `the newest ${count(events.length)}`} bare>
      <ol className={styles.events} tabIndex={0} aria-label="Events, newest first">
        {events.toReversed().map((event) => (
          <li key={event.seq}>
            <span className={styles.fact}>{event.seq}</span>
            <time dateTime={event.at} title={moment(event.at)}>
              {clockTime(event.at)}
            </time>
            <span>{words(event.type)}</span>
            <span className={styles.fact}>{factOf(event)}</span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

/** The rest of the fact, in few words. */
function factOf({ type, attempt, data }: PastEvent): string {
  const text = (name: string): string => (typeof data[name] === 'string' ? data[name] : '');
  const number = (name: string): number | undefined => (typeof data[name] === 'number' ? data[name] : undefined);
  const told = (): string[] => {
    switch (type) {
      case 'CLAIMED':
      case 'ATTEMPT_RESUMED':
      case 'BAN_LIFTED':
        return [text('machineId')];
      case 'PHASE_CHANGED':
        return [words(text('phase'))];
      case 'PROGRESSED': {
        const fraction = number('fraction');
        return [fraction === undefined ? '' : percent(fraction), text('message')];
      }
      case 'CHECKPOINT_SAVED':
        return [`${counted(number('files') ?? 0, 'file')}, ${bytes(number('bytes') ?? 0)}`, keysIn(data)];
      case 'ATTEMPT_ENDED':
        return [words(text('outcome')), text('reason')];
      case 'WARNED':
        return [text('message') || 'nothing hinders it any more'];
      case 'RETRIED':
        return [`from ${words(text('from'))}`];
      case 'SUBMITTED':
      case 'COMPLETED':
      case 'FAILED':
      case 'CANCELED':
      case 'PURGED':
        return [];
    }
  };
  return [attempt === null ? '' : `attempt ${attempt}`, ...told()].filter((part) => part !== '').join(' · ');
}

function keysIn({ keys }: Record<string, unknown>): string {
  return Array.isArray(keys) ? keys.filter((key) => typeof key === 'string').join(', ') : '';
}
