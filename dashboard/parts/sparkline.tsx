import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clockTime, compact, count, dayTime, minuteTime } from './format.ts';
import type { Point } from './point.ts';
import styles from '../style/fleet.module.css';

const HEIGHT = 96;
const COLOURS = ['--bar-lost', '--bar-running'] as const;

/** A small line in steps: what was true stayed so until it changed. */
export function Sparkline(props: { caption: string; lines: readonly string[]; points: readonly Point[] }) {
  const { caption, points } = props;
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const lines = props.lines.length;
  const newest = points.at(-1)?.values;
  const told = props.lines.map((line, index) => (newest === undefined ? line : `${count(newest[index] ?? 0)} ${line}`));
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = dataOf(points, lines);

  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(element, lines), data.current, element);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    // Canvases know nothing of style sheets.
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    return () => {
      scheme.removeEventListener('change', draw);
      resized.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [lines]);
  useEffect(() => plot.current?.setData(data.current), [points]);

  return (
    <figure className={styles.chart}>
      <figcaption>
        {caption}:
        {told.map((line, index) => (
          <span key={props.lines[index]}> {line}</span>
        ))}
      </figcaption>
      <div ref={frame} className={styles.plot} role="img" aria-label={`${caption}: ${told.join(', ')}`} />
    </figure>
  );
}

/**
 * As uPlot has it: seconds, then a list for each line. What was last so is so until now, which is never the same moment: an axis of time
 * that has one moment alone is made years long.
 */
function dataOf(points: readonly Point[], lines: number): uPlot.AlignedData {
  const last = points.at(-1);
  const all = last === undefined ? [] : [...points, { at: Math.max(Date.now(), last.at + 1), values: last.values }];
  const series = Array.from({ length: lines }, (_, line) => all.map(({ values }) => values[line] ?? null));
  return [all.map(({ at }) => at / 1_000), ...series];
}

function optionsFor(element: HTMLElement, lines: number): uPlot.Options {
  const colour = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--muted'),
    font: '11px system-ui',
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  return {
    width: Math.max(100, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    // From nothing up, and never a flat line at the rim.
    scales: {
      // Seconds: what began just now has a minute's room.
      x: { range: (_plot, from, to) => [Math.min(from, to - 60), to] },
      y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.15)] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        values: (_plot, moments, _axis, _space, seconds) => moments.map((at) => timeOf(seconds)(new Date(at * 1_000))),
      },
      {
        ...axis,
        size: 34,
        space: 20,
        values: (_plot, values) => values.map(compact),
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000, 1_000_000],
      },
    ],
    series: [
      {},
      ...Array.from({ length: lines }, (_, line) => ({
        stroke: colour(COLOURS[line] ?? '--bar-running'),
        width: 2,
        points: { show: false },
        ...(stepped !== undefined && { paths: stepped }),
      })),
    ],
  };
}

/** As exact as it must be for marks that are so many seconds apart. */
function timeOf(seconds: number): (at: Date) => string {
  if (seconds < 60) return clockTime;
  return seconds < DAY_S ? minuteTime : dayTime;
}

const DAY_S = 86_400;
