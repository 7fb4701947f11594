import { createCipheriv, createHash } from 'node:crypto';

/** What the jobs compute: a chain in which each step needs the one before, so that a wrong start is seen for ever after. */
export function firstState(job: string): string {
  return digest(`begin ${job}`).slice(0, 32);
}

export function nextState(state: string, step: number): string {
  return digest(`${state} ${step}`).slice(0, 32);
}

/** The states of an uninterrupted run; element 0 is before the first step. */
export function allStates(job: string, steps: number): string[] {
  const states = [firstState(job)];
  for (let step = 1; step <= steps; step++) states.push(nextState(states[step - 1] ?? '', step));
  return states;
}

export interface Checkpoint {
  job: string;
  step: number;
  state: string;
}

/** About `bytes` long; torn or mixed with another it is not readable. */
export function encodeCheckpoint(checkpoint: Checkpoint, bytes: number): Buffer {
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(checkpoint)}\n`), padding(checkpoint.state, bytes)]);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

export function decodeCheckpoint(content: Buffer): Checkpoint | undefined {
  const body = content.subarray(0, -32);
  const sum = createHash('sha256').update(body).digest();
  if (content.length < 32 || !sum.equals(content.subarray(-32))) return undefined;
  return JSON.parse(body.subarray(0, body.indexOf('\n')).toString('utf8')) as Checkpoint;
}

export function checkpointName(step: number): string {
  return `checkpoint-${String(step).padStart(6, '0')}.bin`;
}

/** The step in the name of a checkpoint's file or object; undefined for any other name. */
export function checkpointStep(name: string): number | undefined {
  const step = /(?:^|\/)checkpoint-(\d+)\.bin(?:\.gz)?$/.exec(name)?.[1];
  return step === undefined ? undefined : Number(step);
}

/** What a finished job leaves in its output directory. */
export function outputsOf(job: string, steps: number, lastState: string): Record<string, Buffer> {
  return {
    'result.json': Buffer.from(`${JSON.stringify({ job, steps, state: lastState })}\n`),
    'trace.bin': padding(lastState, 150_000),
  };
}

export function digest(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Bytes that can't be compressed, and are the same for the same state. */
function padding(state: string, bytes: number): Buffer {
  const key = createHash('sha256').update(state).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}
