import type { Writable } from 'node:stream';
import { type DestinationStream, type LoggerOptions, pino } from 'pino';
import { pause } from './pause.ts';

/** Bytes that may wait for who reads a log, besides what the system holds for him. */
const MOST_WAITING_BYTES = 2 ** 20;
/** For so long (milliseconds) a program that ends waits for who reads what it has said, */
const LAST_WORDS_MS = 2_000;
/** and looks so often whether he has. */
const LOOK_AGAIN_MS = 5;

/**
 * Where the lines of a log go. They are out at once where somebody reads; where nobody does, nothing waits for him: a MiB of lines is kept,
 * of what comes then the last one, as it may be the program's last, and of the others how many they were. (To a pipe Node writes without
 * waiting, to a file or a terminal at once.)
 * @param base what every line of this log bears
 */
export function createLogSink(stream: Writable, base: LoggerOptions['base'] = null): DestinationStream {
  let last: string | undefined;
  let lost = 0;
  // Of a level of its own: what is lost is told also where nothing but errors is.
  const notices = pino({ level: 'warn', base }, { write: (line: string) => void stream.write(line) });
  const catchUp = (): void => {
    const [line, lines] = [last, lost];
    if (line === undefined) return;
    last = undefined;
    lost = 0;
    stream.off('drain', catchUp);
    if (lines > 0) notices.warn({ lines }, 'Lines of this log were lost here, as nobody read it');
    stream.write(line);
  };
  return {
    write(line: string) {
      if (stream.writableLength <= MOST_WAITING_BYTES) {
        catchUp();
        stream.write(line);
        return;
      }
      if (last === undefined) stream.once('drain', catchUp);
      else lost += 1;
      last = line;
    },
  };
}

/** Who reads may go: what is said then is said to nobody, and the program goes on. */
export function survivePipesWithoutReader(): void {
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
}

/** Waits until what was said is out: who reads slowly, or pauses, hears it nevertheless; who reads no more keeps nobody. */
export async function lastWords(): Promise<void> {
  const late = performance.now() + LAST_WORDS_MS;
  const isUnsaid = () => [process.stdout, process.stderr].some(({ writableLength }) => writableLength > 0);
  while (isUnsaid() && performance.now() < late) await pause(LOOK_AGAIN_MS);
}
