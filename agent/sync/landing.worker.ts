import { parentPort, workerData } from 'node:worker_threads';
import { ArrivingFile } from './arriving-file.ts';
import { askingAbout, type QuestionCells } from './disk-question.ts';
import { type Order, packed, type Told } from './landing-words.ts';
import { createLines } from './lines.ts';
import { createStorageAgents } from './sockets.ts';

/** The thread that downloads: receives, and writes to disk, what the other one asks the store for. */
export interface ThreadData {
  /** Milliseconds without a byte after which a request counts as failed. */
  stallMs: number;
  connectMs: number;
}

/** The same, with where it says what it asks the disk just now. */
export interface OwnThreadData extends ThreadData {
  question: QuestionCells;
}

/** It is told of what has moved after so many bytes, so that telling costs nothing. */
const TELL_BYTES = 2 ** 20;

// Who starts this thread has written them.
const { stallMs, connectMs, question } = workerData as OwnThreadData;
// A GET changes nothing in the store: nobody has to be asked before it is sent.
const { open } = createStorageAgents(() => undefined);
const lines = createLines({ open, stallMs, connectMs });
const files = new Map<number, ArrivingFile>();
const underWay = new Map<number, AbortController>();

parentPort?.on('message', (order: Order) => {
  obey(order).catch((error: unknown) => tell({ kind: 'FAILED', id: order.id, error: packed(error) }));
});

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case 'TAKE':
      return take(order);
    case 'GIVE_UP':
      underWay.get(order.id)?.abort(new Error('it was given up'));
      return;
    case 'KEEP': {
      const file = files.get(order.file);
      if (file === undefined) throw new Error('a file is to be kept that was never begun');
      const state = await file.keep(order.to, order.modified);
      files.delete(order.file);
      tell({ kind: 'KEPT', id: order.id, state });
      return;
    }
    case 'DROP':
      files.get(order.file)?.close();
      files.delete(order.file);
      tell({ kind: 'DROPPED', id: order.id });
  }
}

async function take({ id, file: number, path, mayExpand, take: wanted }: Order & { kind: 'TAKE' }): Promise<void> {
  const file = files.get(number) ?? new ArrivingFile(path, mayExpand, askingAbout(number, question));
  files.set(number, file);
  const abort = new AbortController();
  underWay.set(id, abort);
  let untold = 0;
  const onMoved = (bytes: number) => {
    untold += bytes;
    if (untold < TELL_BYTES) return;
    tell({ kind: 'MOVED', id, bytes: untold });
    untold = 0;
  };
  try {
    const { failure, ...taken } = await file.take(lines, wanted, abort.signal, onMoved);
    tell({ kind: 'TAKEN', id, taken, failure: failure === undefined ? undefined : packed(failure) });
  } finally {
    underWay.delete(id);
  }
}

function tell(told: Told): void {
  parentPort?.postMessage(told);
}
