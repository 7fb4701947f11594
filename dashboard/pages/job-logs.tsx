import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState } from 'react';
import { useSession } from '../live/context.ts';
import { followLogs, type LogLine, type LogTail } from '../live/log-tail.ts';
import { createStore, type Store, useStore } from '../live/store.ts';
import { clockTime, count, counted } from '../parts/format.ts';
import { Fault, Panel, ui } from '../parts/ui.tsx';
import styles from '../style/logs.module.css';

const LINE_HEIGHT = 20;
/** Above the first line and below the last, in pixels. */
const RIM = 6;
const NOTHING_YET = createStore<LogTail>({ lines: [], dropped: 0, isOver: false, fault: undefined });
/** Nearer to the end than this (pixels) is at the end. */
const AT_END = 30;

/** What the command writes, as it writes it. It follows the end, until its reader scrolls up. */
export function Logs({ jobId, attempts }: { jobId: string; attempts: readonly number[] }) {
  const [attempt, setAttempt] = useState<number>();
  const { lines, dropped, isOver, fault } = useStore(useLogTail(jobId, attempt));
  const frame = useRef<HTMLDivElement>(null);
  const [isFollowing, setFollowing] = useState(true);
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => frame.current,
    estimateSize: () => LINE_HEIGHT,
    overscan: 20,
    paddingStart: RIM,
    paddingEnd: RIM,
  });
  useEffect(() => {
    if (isFollowing && frame.current !== null) frame.current.scrollTop = frame.current.scrollHeight;
  }, [isFollowing, lines]);
  const scrolled = ({ scrollTop, scrollHeight, clientHeight }: HTMLDivElement): void =>
    setFollowing(scrollHeight - scrollTop - clientHeight < AT_END);

  return (
    <Panel title="Log" bare note={<AttemptChoice attempts={attempts} value={attempt} onChange={setAttempt} />}>
      {fault !== undefined && <Fault>{fault}</Fault>}
      <div
        ref={frame}
        className={styles.frame}
        role="region"
        aria-label="Lines of the log"
        tabIndex={0}
        onScroll={({ currentTarget }) => scrolled(currentTarget)}
      >
        <div className={styles.lines} style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map(({ index, start }) => (
            <Line key={index} line={lines[index]} top={start} />
          ))}
        </div>
      </div>
      <footer className={styles.foot}>
        <span>{saidOf({ lines: lines.length, dropped, isOver })}</span>
        {!isFollowing && (
          <button type="button" className={ui.button} data-kind="quiet" onClick={() => setFollowing(true)}>
            Follow the end
          </button>
        )}
      </footer>
    </Panel>
  );
}

function saidOf({ lines, dropped, isOver }: { lines: number; dropped: number; isOver: boolean }): string {
  if (lines === 0) return isOver ? 'Nothing was written.' : 'Nothing has been written yet.';
  const all = counted(lines, 'line');
  const left = dropped > 0 ? `, ${count(dropped)} before them are not shown here` : '';
  return `${all}${left}${isOver ? '; the job has ended' : ''}`;
}

function Line({ line, top }: { line: LogLine | undefined; top: number }) {
  if (line === undefined) return null;
  return (
    <div className={styles.line} data-stream={line.stream} style={{ transform: `translateY(${top}px)` }}>
      <time dateTime={line.at}>{clockTime(line.at)}</time>
      <span>{withoutColours(line.text)}</span>
    </div>
  );
}

/** Terminals' control sequences say nothing here. */
function withoutColours(text: string): string {
  return text.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '');
}

function AttemptChoice(props: {
  attempts: readonly number[];
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}) {
  if (props.attempts.length < 2) return null;
  return (
    <label className={styles.choice}>
      From attempt
      <select
        className={ui.input}
        value={props.value ?? ''}
        onChange={({ target }) => props.onChange(target.value === '' ? undefined : Number(target.value))}
      >
        <option value="">newest</option>
        {props.attempts.map((number) => (
          <option key={number} value={number}>
            {number}
          </option>
        ))}
      </select>
    </label>
  );
}

function useLogTail(jobId: string, attempt: number | undefined): Store<LogTail> {
  const { connection } = useSession();
  const [tail, setTail] = useState<Store<LogTail>>();
  useEffect(() => {
    const followed = followLogs(connection, { jobId, attempt });
    setTail(followed.tail);
    return () => followed.close();
  }, [connection, jobId, attempt]);
  return tail ?? NOTHING_YET;
}
