import { AxisBottom } from '@visx/axis';
import { PatternLines } from '@visx/pattern';
import { ParentSize } from '@visx/responsive';
import { scaleTime } from '@visx/scale';
import { Bar as Rect, Line } from '@visx/shape';
import type { AttemptOutcome } from '../generated/graphql.ts';
import { anchorAt, type Bar, barsOf, legible, type PastEvent } from '../live/timeline.ts';
import { clockTime, count, counted, dayTime, duration, words } from '../parts/format.ts';
import { useNow } from '../parts/now.ts';
import { Panel } from '../parts/ui.tsx';
import type { JobStateFragment } from '../generated/graphql.ts';
import styles from '../style/timeline.module.css';

const ROW = 52;
const BAR = 18;
const LABEL = 24;
const AXIS = 30;
const MARGIN = 12;
/** So many attempts are drawn; the table below has them all. */
const MOST = 40;

interface Props {
  attempts: JobStateFragment['attempts']['nodes'];
  events: readonly PastEvent[];
  isWhole: boolean;
}

/** The attempts of a job as a picture: who worked when, what was saved, and what was lost. */
export function Timeline({ attempts, events, isWhole }: Props) {
  const isLive = attempts.at(-1)?.outcome === null;
  const now = useNow();
  const bars = barsOf(attempts.slice(-MOST), { events, isWhole, now });
  if (bars.length === 0) return null;
  const left = attempts.length - bars.length;
  return (
    <Panel title="Timeline" note={left > 0 ? `the last ${count(bars.length)} attempts` : undefined}>
      <ParentSize className={styles.frame ?? ''} style={{ height: bars.length * ROW + AXIS }} debounceTime={50}>
        {({ width }) => width > 0 && <Picture bars={bars} width={width} isLive={isLive} now={now} />}
      </ParentSize>
      <Legend />
    </Panel>
  );
}

function Picture({ bars, width, isLive, now }: { bars: Bar[]; width: number; isLive: boolean; now: number }) {
  const from = Math.min(...bars.map((bar) => bar.from));
  const to = Math.max(...bars.map((bar) => bar.to), isLive ? now : 0, from + 1_000);
  const x = scaleTime({ domain: [from, to], range: [MARGIN, width - MARGIN] });
  const bottom = bars.length * ROW;
  // The axis is told to the second, so there are no two moments of one.
  const seconds = Math.floor((to - from) / 1_000);
  const timeAt = seconds > DAY_S ? dayTime : clockTime;
  const ticks = x.ticks(Math.min(seconds, Math.max(2, Math.floor(width / 130))));
  return (
    <svg width={width} height={bottom + AXIS} role="img" aria-label={spoken(bars)}>
      <PatternLines
        id="lost-work"
        width={6}
        height={6}
        orientation={['diagonal']}
        className={styles.hatch ?? ''}
        strokeWidth={2}
      />
      {bars.map((bar, index) => (
        <Attempt key={bar.number} bar={bar} top={index * ROW} x={(at) => x(at)} width={width} />
      ))}
      <AxisBottom
        top={bottom}
        scale={x}
        tickFormat={(at) => timeAt(at instanceof Date ? at : new Date(Number(at)))}
        tickValues={legible(ticks, x, width)}
        axisLineClassName={styles.axis ?? ''}
        tickLineProps={{ className: styles.axis ?? '' }}
        tickLabelProps={(at) => ({ className: styles.tick ?? '', textAnchor: anchorAt(x(at), width) })}
      />
    </svg>
  );
}

const DAY_S = 86_400;

function Attempt(props: { bar: Bar; top: number; x: (at: number) => number; width: number }) {
  const { bar, top, x, width } = props;
  const y = top + LABEL;
  const span = (from: number, to: number) => ({ x: x(from), y, width: Math.max(1, x(to) - x(from)), height: BAR });
  // A label that begins far to the right would leave the picture.
  const isLate = x(bar.from) > width * 0.6;
  const anchor = isLate ? { x: Math.max(x(bar.to), MARGIN), textAnchor: 'end' as const } : { x: x(bar.from) };
  return (
    <g data-outcome={bar.outcome ?? 'LIVE'} className={styles.attempt}>
      <text {...anchor} y={y - 7} className={styles.label}>
        {bar.number} · {fitted(bar.machineId, width)} · {outcomeOf(bar.outcome)}
      </text>
      <title>{told(bar)}</title>
      {bar.phases.map(({ phase, from, to }) => (
        <Rect key={from} {...span(from, to)} className={styles.bar ?? ''} data-phase={phase ?? 'STARTING'} />
      ))}
      {bar.lostFrom !== undefined && (
        <Rect {...span(bar.lostFrom, bar.to)} className={styles.lost ?? ''} fill="url(#lost-work)" />
      )}
      {apart(bar.checkpoints, x).map((at) => (
        <Line
          key={at}
          from={{ x: x(at), y: y - 3 }}
          to={{ x: x(at), y: y + BAR + 3 }}
          className={styles.checkpoint ?? ''}
        />
      ))}
    </g>
  );
}

/** What of a machine's name a label has room for, with its end, by which machines of one kind differ. */
function fitted(name: string, width: number): string {
  const room = Math.max(8, Math.floor((width * 0.6) / CHARACTER) - 16);
  if (name.length <= room) return name;
  const half = Math.floor((room - 1) / 2);
  return `${name.slice(0, half)}…${name.slice(-half)}`;
}

/** Pixels of a letter of a label, on average. */
const CHARACTER = 7;

/** Pixels between two checkpoints below which they would be a blot. */
const APART = 4;

function apart(moments: readonly number[], x: (at: number) => number): number[] {
  let last = -Infinity;
  return moments.filter((at) => {
    const isSeen = x(at) - last >= APART;
    if (isSeen) last = x(at);
    return isSeen;
  });
}

function told(bar: Bar): string {
  const saved = counted(bar.checkpoints.length, 'checkpoint');
  const lost = bar.lostFrom === undefined ? '' : `, ${duration((bar.to - bar.lostFrom) / 1_000)} of work lost`;
  return `Attempt ${bar.number} on ${bar.machineId}: ${outcomeOf(bar.outcome)}, ${duration((bar.to - bar.from) / 1_000)}, ${saved}${lost}`;
}

function spoken(bars: Bar[]): string {
  return `Attempts along time. ${bars.map(told).join('. ')}`;
}

function outcomeOf(outcome: AttemptOutcome | undefined): string {
  return outcome === undefined ? 'running' : words(outcome).toLowerCase();
}

const KEYS = [
  ['running', 'Command runs'],
  ['moving', 'Data is moved'],
  ['checkpoint', 'Checkpoint saved'],
  ['lost', 'Work lost'],
] as const;

function Legend() {
  return (
    <ul className={styles.legend} aria-label="Legend">
      {KEYS.map(([key, text]) => (
        <li key={key}>
          <span data-key={key} aria-hidden="true" />
          {text}
        </li>
      ))}
    </ul>
  );
}
