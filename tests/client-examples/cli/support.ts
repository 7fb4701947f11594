import { EventEmitter, once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import type { Exit } from '../../../client-examples/cli/exits.ts';
import { run } from '../../../client-examples/cli/program.ts';
import type { Out, World } from '../../../client-examples/cli/world.ts';

export interface Ran {
  exit: Exit;
  out: string;
  err: string;
  /** Both together, as a terminal shows them. */
  shown: string;
  /** The lines of its output. */
  lines: string[];
}

export interface Running {
  ended: Promise<Ran>;
  /** All of its output so far, once this is in it; of standard error too. */
  until(text: string): Promise<string>;
  /** As Ctrl-C does. */
  interrupt(): void;
}

export interface Setting {
  environment?: Record<string, string>;
  home?: string;
  stdin?: string;
  /** Its output is a terminal of this size. */
  terminal?: { columns: number; rows: number };
}

/** Starts the program in this process, in a world of its own: what it would do in a shell, without the time to start Node. */
export function start(words: readonly string[], setting: Setting = {}): Running {
  const stopping = new AbortController();
  const news = new EventEmitter().setMaxListeners(50);
  const texts = { out: '', err: '', shown: '' };
  const sink = (name: 'out' | 'err') =>
    new Writable({
      decodeStrings: false,
      write(chunk: string | Buffer, _, done) {
        texts[name] += String(chunk);
        texts.shown += String(chunk);
        news.emit('news');
        done();
      },
    });
  const terminal: Pick<Out, 'isTTY' | 'columns' | 'rows'> =
    setting.terminal === undefined ? {} : { isTTY: true, ...setting.terminal };
  const world: World = {
    environment: setting.environment ?? {},
    home: setting.home ?? '/nonexistent',
    stdin: Readable.from(Buffer.from(setting.stdin ?? '')),
    stdout: Object.assign(sink('out'), terminal),
    stderr: sink('err'),
    stopping: stopping.signal,
  };
  let isOver = false;
  const ended = run(words, world).then((exit): Ran => {
    isOver = true;
    news.emit('news');
    return { exit, ...texts, lines: texts.out.split('\n').filter((line) => line !== '') };
  });
  return {
    ended,
    interrupt: () => stopping.abort(),
    async until(text) {
      const late = AbortSignal.timeout(20_000);
      while (!texts.out.includes(text) && !texts.err.includes(text)) {
        if (isOver || late.aborted) {
          throw new Error(`${words.join(' ')} has not said ${JSON.stringify(text)}:\n${texts.out}\n${texts.err}`);
        }
        await once(news, 'news', { signal: late }).catch(() => undefined);
      }
      return texts.out;
    },
  };
}

/** Runs it to its end. */
export async function ran(words: readonly string[], setting: Setting = {}): Promise<Ran> {
  return start(words, setting).ended;
}

/** Each line of JSON that it has printed. */
export function jsonOf({ lines }: Ran): Record<string, unknown>[] {
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
