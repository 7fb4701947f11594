import { messageOf } from '../../lib/errors.ts';

/** Not the store but the local file is at fault: what is asked of the store once more would meet it again. */
export class FileFault extends Error {
  override name = 'FileFault';

  /** The system's, such as ENOSPC. */
  readonly code: string | undefined;

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
    this.code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  }
}
