import type { Meter } from './meter.ts';
import type { Handle } from './open-file.ts';
import type { Produce } from './sending.ts';

/** The file became shorter while it was read. */
export class FileShrank extends Error {
  override name = 'FileShrank';
}

const PIECE_BYTES = 2 ** 19;

/** A part of a file as the body of a request: reads ahead by one piece while the one before is sent. Throws FileShrank. */
export function rangeOf(handle: Pick<Handle, 'read'>, start: number, size: number, onMoved: Meter): Produce {
  return async (write) => {
    const pieces = [
      Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, size)),
      Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, size)),
    ];
    let sending: Promise<void> = Promise.resolve();
    for (let position = start, turn = 0; position < start + size; turn++) {
      const piece = pieces[turn % pieces.length] as Buffer;
      const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, start + size - position), position);
      if (bytesRead === 0) {
        throw new FileShrank(`the file ended at byte ${position} although it had ${start + size} bytes before`);
      }
      position += bytesRead;
      await sending;
      onMoved(bytesRead);
      sending = write(piece.subarray(0, bytesRead));
      // It is waited for after the next piece was read.
      sending.catch(() => undefined);
    }
    await sending;
  };
}

/** From the first byte to the last of `size`, one piece after the other. */
export async function* readAll(handle: Pick<Handle, 'read'>, size: number, onMoved: Meter): AsyncGenerator<Buffer> {
  for (let position = 0; position < size;) {
    const chunk = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size - position));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0)
      throw new FileShrank(`the file ended at byte ${position} although it had ${size} bytes before`);
    position += bytesRead;
    onMoved(bytesRead);
    yield chunk.subarray(0, bytesRead);
  }
}
