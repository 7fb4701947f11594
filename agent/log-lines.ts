import { StringDecoder } from 'node:string_decoder';
import { storable } from '../lib/storable.ts';
import type { Dropped, Output, OutputStream } from './log-buffer.ts';

/** One line for the server. Those of KELPIE are this agent's word, not the command's. */
export interface Line {
  stream: OutputStream | 'KELPIE';
  afterMillis: number;
  text: string;
}

/** Makes lines of output as it comes, each stream for itself. What is kept of an unfinished line is bounded. */
export interface LineMaker {
  /** The lines that this output, or a gap in it, has finished. */
  add(output: Output | Dropped): Line[];
  /** What stands there now of lines that are written over again and again, such as progress bars: once each. */
  shown(): Line[];
  /** The last lines, although nothing has finished them. */
  end(): Line[];
}

/** Characters of one line. */
export const LONGEST_LINE = 8192;

export function createLineMaker(): LineMaker {
  let now = 0;
  let makers = createMakers();
  const all = () => Object.values(makers).flatMap((maker) => maker.end());
  const stamped = (stream: Line['stream'], texts: string[]) =>
    texts.map((text): Line => ({ stream, afterMillis: now, text }));

  return {
    add(output) {
      if ('droppedBytes' in output) {
        const unfinished = all();
        makers = createMakers();
        const text = `${output.droppedBytes} bytes were dropped here: the command writes faster than its log is taken`;
        return [...unfinished, ...stamped('KELPIE', [text])];
      }
      now = output.afterMillis;
      return stamped(output.stream, makers[output.stream].add(output.bytes));
    },
    shown: () => [...stamped('STDOUT', makers.STDOUT.shown()), ...stamped('STDERR', makers.STDERR.shown())],
    end: all,
  };

  function createMakers() {
    const one = (stream: OutputStream) => {
      const maker = createTextMaker();
      return { ...maker, end: () => stamped(stream, maker.end()) };
    };
    return { STDOUT: one('STDOUT'), STDERR: one('STDERR') };
  }
}

/** The lines of one stream. A carriage return does not end a line: what follows is written over it, as on a terminal. */
function createTextMaker() {
  const decoder = new StringDecoder('utf8');
  const unfinished = createPiece();
  /** What stood before the last carriage return; shown until something is written over it. */
  let standing: string | undefined;
  let isShown = false;

  function returned(): void {
    const text = unfinished.take();
    if (text === undefined) return;
    standing = text;
    isShown = false;
  }

  function finished(): string[] {
    const text = unfinished.take() ?? standing ?? (isShown ? undefined : '');
    standing = undefined;
    isShown = false;
    return text === undefined ? [] : [text];
  }

  return {
    add(bytes: Buffer): string[] {
      const lines: string[] = [];
      const text = decoder.write(bytes);
      let from = 0;
      for (const { 0: end, index } of text.matchAll(/[\r\n]/g)) {
        unfinished.add(text.slice(from, index));
        from = index + 1;
        if (end === '\r') returned();
        else lines.push(...finished());
      }
      unfinished.add(text.slice(from));
      return lines;
    },
    shown(): string[] {
      if (standing === undefined) return [];
      const text = standing;
      standing = undefined;
      isShown = true;
      return [text];
    },
    end(): string[] {
      unfinished.add(decoder.end());
      return unfinished.isEmpty && standing === undefined ? [] : finished();
    },
  };
}

/** The beginning of a line, and how much of it does not fit. */
function createPiece() {
  let text = '';
  let cutBytes = 0;
  return {
    add(more: string): void {
      const room = LONGEST_LINE - text.length;
      if (more.length > room) cutBytes += Buffer.byteLength(more.slice(room));
      text += more.slice(0, room);
    },
    take(): string | undefined {
      if (text === '') return undefined;
      const whole = storable(text) + (cutBytes === 0 ? '' : ` … [kelpie: ${cutBytes} more bytes of this line]`);
      text = '';
      cutBytes = 0;
      return whole;
    },
    get isEmpty() {
      return text === '';
    },
  };
}
