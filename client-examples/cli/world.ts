/** Where text goes: a terminal of some size, a file, a pipe, or a test. */
export type Out = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean; columns?: number; rows?: number };

/** Everything that a run of the program touches besides its arguments and the network. */
export interface World {
  environment: Readonly<Record<string, string | undefined>>;
  home: string;
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  stdout: Out;
  stderr: Out;
  /** Aborted by Ctrl-C, and when nobody reads the output any more. */
  stopping: AbortSignal;
}
