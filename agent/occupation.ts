import type { AttemptPhase } from './generated/graphql.ts';

/** What this agent does, for those around it who cannot ask the server. */
export interface Occupation {
  /** An attempt begins on this agent. */
  begin(attempt: { jobId: string; number: number }): Witness;
}

/** Hears how one attempt goes on. */
export interface Witness {
  entered(phase: AttemptPhase): void;
  /** A heartbeat is sent. */
  beat(): void;
  /** Nothing of the attempt is left on this machine. */
  ended(): void;
}

/** The attempt that began last, of those under way. */
export type AgentState =
  | { jobId: string; attempt: number; phase: AttemptPhase; since: Date }
  | { jobId: null; attempt: null; phase: 'IDLE'; since: Date };

/** What it would cost to lose this agent now: nothing while it is idle, most while the results of a whole job are on their way. */
export const IDLE_COST = 0;
export const UPLOADING_COST = 999_999_999;

export interface OccupationParts {
  tellState: (state: AgentState) => void;
  tellCost: (cost: number) => void;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

interface UnderWay {
  state: Extract<AgentState, { jobId: string }>;
  cost: number;
  beganAt: number;
}

/** Tells the state and the cost at first, and whenever they change; the same cost may be told again. */
export function createOccupation({ tellState, tellCost, now = () => performance.now() }: OccupationParts): Occupation {
  const attempts = new Set<UnderWay>();
  let idleSince = new Date();

  const showCost = () => tellCost(Math.max(IDLE_COST, ...[...attempts].map(({ cost }) => cost)));
  const show = () => {
    const newest = [...attempts].at(-1);
    tellState(newest?.state ?? { jobId: null, attempt: null, phase: 'IDLE', since: idleSince });
    showCost();
  };

  show();
  return {
    begin({ jobId, number }) {
      const state = { jobId, attempt: number, phase: 'DOWNLOADING', since: new Date() } as const;
      const attempt: UnderWay = { state, cost: IDLE_COST + 1, beganAt: now() };
      attempts.add(attempt);
      show();
      return {
        entered(phase) {
          if (phase === attempt.state.phase) return;
          attempt.state = { ...attempt.state, phase, since: new Date() };
          if (phase === 'UPLOADING') attempt.cost = UPLOADING_COST;
          show();
        },
        beat() {
          attempt.cost = risen(attempt.cost, now() - attempt.beganAt);
          showCost();
        },
        ended() {
          attempts.delete(attempt);
          if (attempts.size === 0) idleSince = new Date();
          show();
        },
      };
    },
  };
}

/** In seconds of work that would be lost; higher each time, and lower than that of an upload. */
function risen(cost: number, ranForMs: number): number {
  if (cost === UPLOADING_COST) return cost;
  return Math.min(UPLOADING_COST - 1, Math.max(cost + 1, Math.floor(ranForMs / 1000)));
}
