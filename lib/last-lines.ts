import { StringDecoder } from 'node:string_decoder';

/** The end of a stream of text, in bounded memory however long the stream or its lines are. */
export interface LastLines {
  push(chunk: Buffer): void;
  /** The last lines, oldest first, the unfinished one included; empty ones are left out. */
  lines(): string[];
}

/** Keeps the last `count` lines, of each at most the last `width` characters. A carriage return ends a line too. */
export function keepLastLines(count: number, width: number): LastLines {
  const decoder = new StringDecoder('utf8');
  let finished: string[] = [];
  let unfinished = '';

  return {
    push(chunk) {
      const pieces = (unfinished + decoder.write(chunk)).split(/[\r\n]+/);
      unfinished = (pieces.pop() ?? '').slice(-width);
      finished = [...finished, ...pieces.slice(-count).map((line) => line.slice(-width))]
        .filter((line) => line.trim() !== '')
        .slice(-count);
    },
    lines: () => [...finished, unfinished].filter((line) => line.trim() !== '').slice(-count),
  };
}
