/** Is told of bytes as they move; negative ones are taken back. */
export type Meter = (bytes: number) => void;

/** Lets one try count what it moves, and takes that back when the try fails. */
export async function metered<T>(meter: Meter, attempt: (meter: Meter) => Promise<T>): Promise<T> {
  let moved = 0;
  try {
    return await attempt((bytes) => {
      moved += bytes;
      meter(bytes);
    });
  } catch (error) {
    meter(-moved);
    throw error;
  }
}
