import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import type { AppendLogsInput } from '../../agent/generated/graphql.ts';
import type { AppendAnswer } from '../../agent/link.ts';
import { createLogBuffer, type Output, type OutputStream } from '../../agent/log-buffer.ts';
import { createLineMaker, LONGEST_LINE, type Line } from '../../agent/log-lines.ts';
import { shipLogs } from '../../agent/logs.ts';
import { chunkFields } from '../../core/logs/lines.ts';
import { until } from '../support/until.ts';

const stream = fc.constantFrom<OutputStream>('STDOUT', 'STDERR');
const output = (bytes: Buffer, from: OutputStream = 'STDOUT', afterMillis = 0): Output => ({
  stream: from,
  afterMillis,
  bytes,
});

describe('the buffer', () => {
  test('gives what was written, without a middle whose size it tells, however it is taken', () => {
    const pushes = fc.record({ push: fc.integer({ min: 1, max: 3_000 }) });
    const step = fc.oneof({ weight: 3, arbitrary: pushes }, fc.constant('TAKE' as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 8_000, max: 40_000 }), (steps, capacity) => {
        const buffer = createLogBuffer(capacity);
        let written = 0;
        let told = 0;
        const take = () => {
          const got = buffer.take();
          if (got === undefined) return false;
          if ('droppedBytes' in got) {
            expect(got.droppedBytes).toBeGreaterThan(0);
            told += got.droppedBytes;
            return true;
          }
          // Each piece bears the place at which it was written.
          expect(got.afterMillis).toBe(told);
          told += got.bytes.length;
          return true;
        };
        for (const each of steps) {
          if (each === 'TAKE') take();
          else {
            buffer.push(output(Buffer.alloc(each.push), 'STDOUT', written));
            written += each.push;
          }
          expect(buffer.size).toBeLessThanOrEqual(capacity);
        }
        while (take());
        expect([told, buffer.size]).toEqual([written, 0]);
      }),
    );
  });

  test('keeps the first and the last of a flood', () => {
    const buffer = createLogBuffer(64 * 1024);
    for (let index = 0; index < 10_000; index += 1) buffer.push(output(Buffer.alloc(1_000), 'STDOUT', index));
    const places: (number | 'gap')[] = [];
    for (let got = buffer.take(); got !== undefined; got = buffer.take()) {
      places.push('droppedBytes' in got ? 'gap' : got.afterMillis);
    }
    const gap = places.indexOf('gap');
    expect(places.slice(0, gap)).toEqual(Array.from({ length: gap }, (_, index) => index));
    expect(places.at(-1)).toBe(9_999);
    expect(Math.min(gap, places.length - gap)).toBeGreaterThan(20);
  });

  test('counts what small pieces cost', () => {
    const buffer = createLogBuffer(64 * 1024);
    for (let index = 0; index < 10_000; index += 1) buffer.push(output(Buffer.from('.')));
    let pieces = 0;
    while (buffer.take() !== undefined) pieces += 1;
    expect(pieces).toBeLessThan(260);
  });
});

describe('lines', () => {
  /** Text with everything that is hard to cut: line ends, several bytes to a character, several units to a character. */
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'ü', '€', '🐴', ' '), maxLength: 60 });

  test('are the text of each stream, however it is cut into pieces and interleaved', () => {
    fc.assert(
      fc.property(
        text,
        text,
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        fc.infiniteStream(stream),
        (out, err, sizes, turns) => {
          const left = { STDOUT: Buffer.from(out), STDERR: Buffer.from(err) };
          const maker = createLineMaker();
          const lines: Line[] = [];
          while (left.STDOUT.length + left.STDERR.length > 0) {
            const turn = turns.next().value as OutputStream;
            const size = sizes.next().value as number;
            lines.push(...maker.add(output(left[turn].subarray(0, size), turn)), ...maker.shown());
            left[turn] = left[turn].subarray(size);
          }
          lines.push(...maker.end());
          const of = (name: OutputStream) => lines.filter((line) => line.stream === name).map((line) => line.text);
          expect([of('STDOUT'), of('STDERR')]).toEqual([linesOf(out), linesOf(err)]);
        },
      ),
    );
  });

  function linesOf(whole: string): string[] {
    const lines = whole.split('\n');
    return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  }

  const all = (...pieces: string[]) => {
    const maker = createLineMaker();
    return [...pieces.flatMap((piece) => maker.add(output(Buffer.from(piece)))), ...maker.end()].map(
      (line) => line.text,
    );
  };

  test.each([
    [['10 %\r20 %\r30 %\n'], ['30 %']],
    [
      ['\r10 %', '\r20 %', '\r30 %', '\n', 'next\n'],
      ['30 %', 'next'],
    ],
    [
      ['done\r\n', 'next\r', '\n', '\r\n', 'last'],
      ['done', 'next', '', 'last'],
    ],
    [['10 %\r'], ['10 %']],
    [['\n\n'], ['', '']],
    [['a\0b\n'], ['ab']],
  ])('of %j are %j', (pieces, expected) => {
    expect(all(...pieces)).toEqual(expected);
  });

  test('a bar that is drawn over and over is shown as it stands at each shipment, and its last state once', () => {
    const maker = createLineMaker();
    const add = (piece: string) => maker.add(output(Buffer.from(piece))).map((line) => line.text);
    const shown = () => maker.shown().map((line) => line.text);
    expect([add('1 %\r2 %\r'), shown(), shown()]).toEqual([[], ['2 %'], []]);
    expect([add('3 %\r4 %\r'), shown()]).toEqual([[], ['4 %']]);
    expect([add('\n'), add('5 %\r'), add('\n'), shown()]).toEqual([[], [], ['5 %'], []]);
  });

  test('that are very long are cut, and say by how much, in whole characters', () => {
    const [line, next] = all('ü'.repeat(LONGEST_LINE - 1), '🐴ü'.repeat(500), 'xyz\nnext\n');
    expect(next).toBe('next');
    expect(line).toMatch(/^ü+\ufffd? … \[kelpie: \d+ more bytes of this line\]$/u);
    expect(line!.isWellFormed()).toBe(true);
    expect(line!.length).toBeLessThan(8_400);
  });

  test('bytes that are no text are replaced, not lost with their line', () => {
    const maker = createLineMaker();
    const lines = maker.add(output(Buffer.from([0x61, 0xff, 0xfe, 0x62, 0x0a])));
    expect(lines.map((line) => line.text)).toEqual(['a\ufffd\ufffdb']);
  });

  test('around a gap are not taken for one', () => {
    const maker = createLineMaker();
    maker.add(output(Buffer.from('begun')));
    const lines = [...maker.add({ droppedBytes: 1_234 }), ...maker.add(output(Buffer.from('rest\n')))];
    expect(lines.map(({ stream: from, text: said }) => [from, said])).toEqual([
      ['STDOUT', 'begun'],
      ['KELPIE', '1234 bytes were dropped here: the command writes faster than its log is taken'],
      ['STDOUT', 'rest'],
    ]);
  });
});

describe('shipping', () => {
  /** A server that takes what comes, as a test wants it. */
  function shipper(
    answer: (input: AppendLogsInput) => AppendAnswer | Promise<AppendAnswer> = taken,
    leaseMillis = 60_000,
  ) {
    const requests: AppendLogsInput[] = [];
    const cut = new AbortController();
    const hurry = new AbortController();
    const signal = new AbortController();
    const logs = shipLogs({
      jobId: 'job',
      attempt: 1,
      leaseMillis,
      signaled: signal.signal,
      beganAt: performance.now(),
      cut: cut.signal,
      hurrying: hurry.signal,
      log: pino({ enabled: false }),
      link: {
        appendLogs: async (input) => {
          requests.push(input);
          return answer(input);
        },
      },
    });
    const write = (piece: string) => logs.push('STDOUT', Buffer.from(piece));
    return {
      logs,
      requests,
      cut,
      hurry,
      signal,
      write,
      texts: () => requests.flatMap(({ lines }) => lines.map(({ text }) => text)),
    };
  }
  const taken = ({ offset, lines }: AppendLogsInput): AppendAnswer => ({
    kind: 'TAKEN',
    nextOffset: offset + lines.length,
  });

  test('what is written in one go goes together, and the rest at the end, each line with its number', async () => {
    const { logs, requests, write, texts } = shipper();
    write('a\n');
    write('b\n');
    await until('the first shipment', () => requests.length === 1);
    write('c\nunfinished');
    await logs.end();
    expect(requests.map(({ offset, lines }) => [offset, lines.length])).toEqual([
      [0, 2],
      [2, 2],
    ]);
    expect(texts()).toEqual(['a', 'b', 'c', 'unfinished']);
  });

  test('a command that writes nothing costs no request', async () => {
    const { logs, requests } = shipper();
    const start = performance.now();
    await logs.end();
    expect(requests).toEqual([]);
    expect(performance.now() - start).toBeLessThan(500);
  });

  test('chunks are bounded, and none is lost or doubled', async () => {
    const { logs, requests, write, texts } = shipper();
    const lines = Array.from({ length: 3_000 }, (_, index) => `${index} ${'x'.repeat(index % 200)}`);
    write(`${lines.join('\n')}\n`);
    await logs.end();
    expect(texts()).toEqual(lines);
    expect(requests.length).toBeGreaterThan(2);
  });

  test.each([
    ['short', 'epoch 1 of training, loss 0.5', 15],
    ['empty', '', 16],
    ['of the longest', '€'.repeat(LONGEST_LINE), 12],
  ])('in the end few requests carry a flood, each as large as the server takes it: lines %s', async (_, text, most) => {
    const { logs, requests, write, texts } = shipper();
    const perBlock = Math.min(2_000, Math.floor(32_000 / (Buffer.byteLength(text) + 1)));
    for (let block = 0; block < 28; block++) write(`${text}\n`.repeat(perBlock));
    await logs.end();
    expect(texts()).toHaveLength(28 * perBlock);
    const taking = z.object(chunkFields);
    for (const { offset, lines } of requests) expect(taking.safeParse({ offset, lines }).success).toBe(true);
    expect(requests.length).toBeLessThanOrEqual(most);
  });

  test('an error, a lost lease and an old answer are followed by the same chunk again', async () => {
    const answers: AppendAnswer[] = [
      { kind: 'LEASE_LOST', message: 'for now' },
      { kind: 'TAKEN', nextOffset: 0 },
    ];
    const { logs, requests, write } = shipper((input) => answers.shift() ?? taken(input));
    write('a\n');
    await logs.end();
    expect(requests).toHaveLength(3);
    expect(new Set(requests.map((request) => JSON.stringify(request))).size).toBe(1);
  });

  test('a chunk that is refused is given up, and its numbers stay empty', async () => {
    const answers: AppendAnswer[] = [{ kind: 'REFUSED', message: 'not like that' }];
    const { logs, requests, write } = shipper((input) => answers.shift() ?? taken(input));
    write('a\nb\n');
    await until('the refusal', () => requests.length === 1);
    write('c\n');
    await logs.end();
    expect(requests.map(({ offset }) => offset)).toEqual([0, 2]);
  });

  const never = () => new Promise<AppendAnswer>(() => undefined);

  test('a server that does not answer is waited for as long as a lease lasts, within limits, counted from the end', async () => {
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers();
    const waitedFor = async (leaseMillis: number) => {
      const { logs, write } = shipper(never, leaseMillis);
      write('a\n');
      const start = performance.now();
      const ended = logs.end().then(() => performance.now() - start);
      await vi.advanceTimersByTimeAsync(5_000);
      const again = logs.end().then(() => performance.now() - start);
      await vi.advanceTimersByTimeAsync(3_600_000);
      return Promise.all([ended, again]);
    };
    expect(await waitedFor(2_000)).toEqual([10_000, 10_000]);
    expect(await waitedFor(30_000)).toEqual([30_000, 30_000]);
    expect(await waitedFor(172_800_000)).toEqual([60_000, 60_000]);
  });

  test('a server that was away while the command ended gets its last lines when it is back', async () => {
    const away = performance.now() + 2_500;
    const { logs, write, texts } = shipper((input) => {
      if (performance.now() < away) throw new Error('not connected');
      return taken(input);
    });
    write('the last line');
    await logs.end();
    expect(texts().at(-1)).toBe('the last line');
  });

  test('a signal leaves it two seconds more, whenever it comes', async () => {
    const { logs, write, requests, signal } = shipper(never);
    write('a\n');
    const ended = logs.end();
    await until('the request', () => requests.length === 1);
    const start = performance.now();
    signal.abort();
    await ended;
    expect(performance.now() - start).toBeGreaterThan(1_900);
    expect(performance.now() - start).toBeLessThan(4_000);
  });

  test.each(['cut', 'hurry'] as const)('nothing is waited for any more on %s', async (signal) => {
    const { logs, write, requests, ...signals } = shipper(never);
    write('a\n');
    const start = performance.now();
    const ended = logs.end();
    await until('the request', () => requests.length === 1);
    signals[signal].abort();
    await ended;
    expect(performance.now() - start).toBeLessThan(1_500);
  });

  test('a server that answers late gets the first and the last of a flood, and the size of what is missing', async () => {
    const open = Promise.withResolvers<undefined>();
    const { logs, requests, write, texts } = shipper(async (input) => {
      await open.promise;
      return taken(input);
    });
    write('line 0\n');
    await until('the first request', () => requests.length === 1);
    let written = 0;
    for (let index = 1; index < 50_000; index += 100) {
      const block = Array.from({ length: 100 }, (_, i) => `line ${index + i} ${'x'.repeat(80)}\n`).join('');
      written += block.length;
      write(block);
    }
    open.resolve(undefined);
    await logs.end();
    const lines = texts();
    const gap = lines.findIndex((line) => line.includes('bytes were dropped here'));
    const missing = Number(/^\d+/.exec(lines[gap]!)?.[0]);
    const kept = lines
      .filter((_, index) => index !== 0 && index !== gap)
      .reduce((sum, line) => sum + line.length + 1, 0);
    expect(kept + missing).toBe(written);
    expect(kept).toBeGreaterThan(700_000);
    expect(lines.at(-1)).toContain('line 50000');
  });
});
