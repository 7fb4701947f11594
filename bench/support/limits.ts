/** What one step of a growing fleet took, in percent of one processor, and what waited. */
export interface Taken {
  /** The server's main thread: it computed, and it could have, but no processor was free. */
  thread_percent: number;
  thread_waited_percent: number;
  servers_percent: number;
  postgres_percent: number;
  agents_percent: number;
  /** The main thread of the busiest process that plays agents. */
  player_percent: number;
  /** On average, the processors of everybody but the server; all of them, where the server has none for itself. */
  others_busy_percent: number;
  /** Of all other programs on this machine. */
  elsewhere_percent: number;
  /** Operations that waited for a connection, and what those that had one were at. */
  database_waiting: number;
  database_active: number;
  database_waits: { event: string; percent: number }[];
}

/** How long things took, in milliseconds at p99, and what did not come at all. */
export interface Late {
  heartbeat_p99_ms: number;
  wake_p99_ms: number;
  claim_p99_ms: number;
  /** Jobs that nobody had a second after the last of them was submitted. */
  unclaimed: number;
  lost: number;
  cut: number;
}

const LATE_MS = { heartbeat: 500, wake: 1_000, claim: 1_000 };
const FULL_PERCENT = 90;

/** Why a server no longer holds its fleet; undefined while it does. */
export function lateIn(step: Late): string | undefined {
  if (step.lost > 0) return `${step.lost} leases were lost`;
  if (step.cut > 0) return `${step.cut} connections were cut`;
  if (step.heartbeat_p99_ms > LATE_MS.heartbeat) return `a heartbeat took ${step.heartbeat_p99_ms} ms at p99`;
  if (step.wake_p99_ms > LATE_MS.wake) return `a wake-up took ${step.wake_p99_ms} ms at p99`;
  if (step.claim_p99_ms > LATE_MS.claim) return `a claim took ${step.claim_p99_ms} ms at p99`;
  return step.unclaimed > 0 ? `${step.unclaimed} jobs were claimed by nobody` : undefined;
}

/**
 * What was used up in such a step. Processors come before connections: where none is free, each statement holds its connection while it
 * waits for a turn, so that others wait for connections too.
 */
export function fullIn(step: Taken): string {
  const shares =
    `the server ${step.servers_percent} % of one, PostgreSQL ${step.postgres_percent} %, ` +
    `those who play the agents ${step.agents_percent} %, other programs ${step.elsewhere_percent} %`;
  const waits = step.database_waits.map(({ event, percent }) => `${event} ${percent} %`).join(', ');
  if (step.thread_percent >= FULL_PERCENT) {
    return `the server's one thread, which took ${step.thread_percent} % of a processor`;
  }
  if (step.player_percent >= FULL_PERCENT) {
    return `a process that plays agents, which took ${step.player_percent} % of a processor: no figure of the server's`;
  }
  if (step.thread_percent + step.thread_waited_percent >= FULL_PERCENT) {
    return (
      `the machine: the server's thread ran for ${step.thread_percent} % of the time and waited for a processor for ` +
      `${step.thread_waited_percent} % (${shares})`
    );
  }
  if (step.others_busy_percent >= FULL_PERCENT) return `the machine's processors (${shares})`;
  if (step.database_waiting > 0) {
    return `the connections to the database: ${step.database_waiting} operations waited for one, and ${step.database_active} worked (${waits}; ${shares})`;
  }
  return `nothing that is measured here (${shares})`;
}
