/** What a script can tell from the exit code. docs/clients.md has the same table. */
export const EXIT = {
  /** Done; of jobs that were awaited: all have completed. */
  DONE: 0,
  /** At least one of the jobs has failed (or ran out of time, which is how it failed). */
  FAILED: 1,
  /** The command line, a file or the configuration can't be used. Nothing was done. */
  USAGE: 2,
  /** No job has failed, and at least one was canceled or removed. */
  CANCELED: 3,
  /** The server can't be reached, or does not take the key. */
  UNREACHABLE: 4,
  /** The time of `--timeout` was over before all jobs had ended. They go on. */
  OVERDUE: 5,
  /** The server has refused: there is no such thing, or its state does not allow what was asked. */
  REFUSED: 6,
  /** A fault of this program (EX_SOFTWARE). */
  BUG: 70,
  /** Ctrl-C, or SIGTERM. Jobs go on. */
  INTERRUPTED: 130,
} as const;

export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Something that a person or a script can act on: the message says what was expected, what came, and what to do. */
export class CliError extends Error {
  override name = 'CliError';
  readonly exit: Exit;

  constructor(exit: Exit, message: string) {
    super(message);
    this.exit = exit;
  }
}

export function usage(message: string): CliError {
  return new CliError(EXIT.USAGE, message);
}
