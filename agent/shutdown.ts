import { pause, whenAborted } from '../lib/pause.ts';

/** The two stages in which a process is told to stop. */
export interface Shutdown {
  /** Aborted by the first SIGTERM or SIGINT, with the signal's name as the reason, or because the server asked for it. */
  readonly stopping: AbortSignal;
  /** Aborted by the first SIGTERM or SIGINT alone: the machine may soon be gone. */
  readonly signaled: AbortSignal;
  /** Aborted by the second one: end the waiting. */
  readonly hurrying: AbortSignal;
}

/** Turns this process' SIGTERM and SIGINT into the stages of a shutdown, so that neither ends it by itself any more. */
export function listenForShutdown(): Shutdown {
  const stopping = new AbortController();
  const hurrying = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => (stopping.signal.aborted ? hurrying : stopping).abort(name));
  }
  return { stopping: stopping.signal, signaled: stopping.signal, hurrying: hurrying.signal };
}

/** Aborted `graceMs` after the process was told to stop by a signal; not any more once `over` is aborted. */
export function graceAfter({ signaled }: Pick<Shutdown, 'signaled'>, graceMs: number, over: AbortSignal): AbortSignal {
  const graceOver = new AbortController();
  void whenAborted(signaled, over)
    .then(() => pause(graceMs, over))
    .then(() => {
      if (!over.aborted) graceOver.abort(new Error(`the ${graceMs / 1000} s of grace are over`));
    });
  return graceOver.signal;
}

/** Whether the process was told to stop by a signal more than `graceMs` ago, or twice. For as long as `over` is not aborted. */
export function hurriesAfter(
  shutdown: Pick<Shutdown, 'signaled' | 'hurrying'>,
  graceMs: number,
  over: AbortSignal,
): () => boolean {
  const graceOver = graceAfter(shutdown, graceMs, over);
  return () => graceOver.aborted || shutdown.hurrying.aborted;
}

/** The signal that began the shutdown, to be forwarded to the command. */
export function shutdownSignal(shutdown: Shutdown): 'SIGTERM' | 'SIGINT' {
  return shutdown.stopping.reason === 'SIGINT' ? 'SIGINT' : 'SIGTERM';
}

/** Reasons of a stop that the server asked for: of the whole agent, or of a single attempt. */
export const DRAINED = 'DRAINED';
export const RECALLED = 'RECALLED';

/** Why an attempt is given back, for a person. */
export function whyStopping(shutdown: Shutdown): string {
  switch (shutdown.stopping.reason) {
    case DRAINED:
      return 'The server asked the agent to leave.';
    case RECALLED:
      return 'The server asked for the job back.';
    default:
      return `The agent was told to stop (${shutdownSignal(shutdown)}).`;
  }
}
