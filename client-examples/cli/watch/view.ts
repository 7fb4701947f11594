import { createLogUpdate } from 'log-update';
import type { Context } from '../context.ts';
import { cut, plain, tableOf, type Style } from '../output.ts';
import { hasEnded, type Row } from './rows.ts';

/** How the rows are shown: drawn over themselves on a terminal, else a line whenever something of importance has changed. */
export interface View {
  /** `changed` is new or has changed; the rest is for the whole picture. */
  show(changed: Row | undefined, rows: ReadonlyMap<string, Row>): void;
  /** The last picture stays. */
  end(rows: ReadonlyMap<string, Row>): void;
}

export function openView(context: Context, asJson: boolean): View {
  if (asJson) return jsonView(context);
  return context.world.stdout.isTTY === true ? liveView(context) : lineView(context);
}

/** Each state that was heard of, once. */
function jsonView({ sayJson }: Context): View {
  const told = new Map<string, string>();
  return {
    show(row) {
      if (row === undefined) return;
      const shown: Partial<Row> = { ...row };
      delete shown.own;
      const text = JSON.stringify(shown);
      if (told.get(row.id) === text) return;
      told.set(row.id, text);
      sayJson(shown);
    },
    end: () => undefined,
  };
}

/** A line for each status, attempt, phase, and tenth of the work. */
function lineView({ say }: Context): View {
  const told = new Map<string, string>();
  return {
    show(row) {
      if (row === undefined) return;
      const tenth = row.fraction === null ? '' : `${Math.floor(row.fraction * 10) * 10} %`;
      const where = row.attempt === null ? '' : `attempt ${row.attempt} on ${row.machineId ?? '?'}`;
      const doing = row.status === 'RUNNING' ? (row.phase?.toLowerCase() ?? '') : (row.reason ?? '');
      const words = [row.id, row.name ?? '', row.status, where, doing, row.status === 'RUNNING' ? tenth : ''];
      const line = words
        .filter((word) => word !== '')
        .map(plain)
        .join('  ');
      // An end is told once: that the server has more words for it than the event had is no news.
      const news = hasEnded(row) ? `${row.status} ${where}` : line;
      if (told.get(row.id) === news) return;
      told.set(row.id, news);
      say(line);
    },
    end: () => undefined,
  };
}

/** At most so often a picture is drawn (milliseconds): an eye sees no more, and a link over a modem carries no more. */
const FRAME_MS = 100;

function liveView(context: Context): View {
  const { world, paint } = context;
  // It asks the stream for its size, and writes.
  const draw = createLogUpdate(world.stdout as NodeJS.WriteStream);
  let waiting: NodeJS.Timeout | undefined;
  let latest: ReadonlyMap<string, Row> = new Map();
  const frame = (): void => {
    waiting = undefined;
    draw(
      pictureOf([...latest.values()], { columns: world.stdout.columns ?? 80, rows: world.stdout.rows ?? 24 }, paint),
    );
  };
  return {
    show(_, rows) {
      latest = rows;
      waiting ??= setTimeout(frame, FRAME_MS);
    },
    end(rows) {
      clearTimeout(waiting);
      latest = rows;
      frame();
      draw.done();
    },
  };
}

const STYLES = {
  PENDING: 'yellow',
  RUNNING: 'cyan',
  COMPLETED: 'green',
  FAILED: 'red',
  CANCELED: 'dim',
  PURGED: 'dim',
} as const satisfies Record<Row['status'], Style>;

/** What somebody looks at first stands first. */
const ORDER: readonly Row['status'][] = ['RUNNING', 'FAILED', 'PENDING', 'CANCELED', 'PURGED', 'COMPLETED'];

/** The whole picture, fitted to `size`: what does not fit is counted. */
function pictureOf(rows: readonly Row[], size: { columns: number; rows: number }, paint: Context['paint']): string {
  const sorted = rows.toSorted((one, other) => ORDER.indexOf(one.status) - ORDER.indexOf(other.status));
  const room = Math.max(1, size.rows - 4);
  const shown = sorted.slice(0, room);
  const width = Math.max(10, Math.floor((size.columns - 62) / 2));
  const table = tableOf(
    ['job', 'status', 'progress', 'machine', ''],
    shown.map((row) => [
      cut(plain(row.name ?? row.id), Math.max(12, width)),
      paint(STYLES[row.status], row.status.toLowerCase()),
      barOf(row),
      row.attempt === null ? '' : cut(`#${row.attempt} ${plain(row.machineId ?? '')}`, 18),
      cut(plain((row.status === 'RUNNING' ? (row.message ?? row.phase?.toLowerCase()) : row.reason) ?? ''), width),
    ]),
  );
  const more = sorted.length > shown.length ? [paint('dim', `… and ${sorted.length - shown.length} more`)] : [];
  return [table, ...more, countsOf(rows)].join('\n');
}

const BAR = 20;

function barOf({ status, fraction }: Row): string {
  // Not every command says that it is done.
  const done = status === 'COMPLETED' ? 1 : fraction;
  if (done === null) return '';
  const whole = Math.min(1, Math.max(0, done));
  const full = Math.round(whole * BAR);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${String(Math.floor(whole * 100)).padStart(3)} %`;
}

/** Such as `2 running, 1 failed, 7 completed`. */
export function countsOf(rows: readonly Row[]): string {
  const counts = ORDER.map((status) => ({ status, count: rows.filter((row) => row.status === status).length }));
  const told = counts.filter(({ count }) => count > 0).map(({ status, count }) => `${count} ${status.toLowerCase()}`);
  return told.length === 0 ? 'no jobs' : told.join(', ');
}
