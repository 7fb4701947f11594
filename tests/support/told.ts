/** A job as its events tell of it, told again from the first. */
export interface Told {
  status: string;
  attempt: number;
  failures: number;
  interruptions: number;
  syncFailures: number;
  /** Outcome by attempt, null while it lives. */
  outcomes: Map<number, string | null>;
  machines: Map<number, unknown>;
  /** Events that must not have followed what was told before them. */
  oddities: string[];
}

export interface ToldEvent {
  type: string;
  attempt: number | null;
  data: Record<string, unknown>;
}

export function tell(events: readonly ToldEvent[]): Told {
  const told: Told = {
    ...{ status: 'NONE', attempt: 0, failures: 0, interruptions: 0, syncFailures: 0 },
    outcomes: new Map(),
    machines: new Map(),
    oddities: [],
  };
  for (const event of events) {
    const before = `${told.status}, attempt ${told.attempt}`;
    if (!follow(told, event)) {
      told.oddities.push(`${event.type} of attempt ${String(event.attempt)} while it was ${before}`);
    }
  }
  return told;
}

/** One event's effect. @returns whether it may follow what was told before */
function follow(told: Told, event: ToldEvent): boolean {
  const { status } = told;
  const isOfAttempt = event.attempt === told.attempt;
  switch (event.type) {
    case 'SUBMITTED':
      told.status = 'PENDING';
      return status === 'NONE';
    case 'CLAIMED':
      told.status = 'RUNNING';
      told.attempt += 1;
      told.outcomes.set(told.attempt, null);
      told.machines.set(told.attempt, event.data['machineId']);
      return status === 'PENDING' && event.attempt === told.attempt;
    case 'ATTEMPT_RESUMED': {
      const wasLost = told.outcomes.get(told.attempt) === 'LOST';
      told.status = 'RUNNING';
      told.interruptions -= 1;
      told.outcomes.set(told.attempt, null);
      return status === 'PENDING' && isOfAttempt && wasLost;
    }
    case 'PHASE_CHANGED':
    case 'PROGRESSED':
    case 'WARNED':
      return status === 'RUNNING' && isOfAttempt;
    case 'CHECKPOINT_SAVED':
      // A late ending brings what was published before it.
      return isOfAttempt && (status === 'RUNNING' || told.outcomes.get(told.attempt) === 'LOST');
    case 'ATTEMPT_ENDED':
      return end(told, event);
    case 'COMPLETED':
    case 'FAILED':
      return status === event.type;
    case 'CANCELED':
      told.status = 'CANCELED';
      return status === 'PENDING' || status === 'RUNNING';
    case 'RETRIED':
      Object.assign(told, { status: 'PENDING', failures: 0, interruptions: 0, syncFailures: 0 });
      return (status === 'FAILED' || status === 'CANCELED') && event.data['from'] === status;
    default:
      return false;
  }
}

function end(told: Told, { attempt, data }: ToldEvent): boolean {
  const { status } = told;
  const before = told.outcomes.get(told.attempt);
  // An attempt that was taken for lost may say later what really became of it, as long as nobody has followed it.
  const isLate = status === 'PENDING' && before === 'LOST';
  const outcome = String(data['outcome']);
  if (isLate) told.interruptions -= 1;
  if (outcome === 'FAILED' || outcome === 'TIMED_OUT') told.failures += 1;
  if (outcome === 'SYNC_FAILED') told.syncFailures += 1;
  if (outcome === 'LOST' || outcome === 'RELEASED') told.interruptions += 1;
  told.outcomes.set(told.attempt, outcome);
  if (outcome !== 'CANCELED') told.status = String(data['status']);
  return attempt === told.attempt && (isLate || (status === 'RUNNING' && before === null));
}

/** What is stored and told otherwise, as a sentence. */
export function differs(what: string, stored: unknown, told: unknown): string[] {
  const [inRow, inEvents] = [JSON.stringify(stored), JSON.stringify(told)];
  return inRow === inEvents ? [] : [`${what}: stored ${inRow}, told ${inEvents}`];
}
