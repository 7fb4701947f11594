import { execFile } from 'node:child_process';
import { z } from 'zod';
import { pause } from '../lib/pause.ts';

/** What the driver's own program says of the GPUs. Every question may be asked where there is none, and is then answered with none. */

export interface Gpu {
  index: number;
  name: string | null;
  memoryBytes: number | null;
  driverVersion: string | null;
}

export interface GpuUse {
  index: number;
  /** Between 0 and 1. */
  utilization: number | null;
  memoryUsedBytes: number | null;
}

const PROGRAM = 'nvidia-smi';
/** A driver in trouble makes the program hang, at times beyond the reach of a signal. */
const ANSWER_WITHIN_MS = 5_000;
const LONGEST_ANSWER_BYTES = 64 * 1024;
const MOST_GPUS = 64;
const LONGEST_TEXT = 255;
const MIB = 1024 * 1024;

const index = z.coerce.number().int().min(0).max(1_000);
/** `[N/A]`, `[Not Supported]` and the like stand where the driver does not tell. */
const amount = z.string().transform((text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : null));
const words = z
  .string()
  .transform((text) => (text === '' || text.startsWith('[') ? null : text.slice(0, LONGEST_TEXT)));

const gpuLine = z.tuple([index, words, amount, words]);
const useLine = z.tuple([index, amount, amount]);

/** The GPUs of this machine. Never rejects; takes 5 s at most. */
export async function listGpus(): Promise<Gpu[]> {
  return parseGpus(await answerOf('index,name,memory.total,driver_version'));
}

/** How busy they are. Never rejects; takes 5 s at most. */
export async function sampleGpus(): Promise<GpuUse[]> {
  return parseGpuUse(await answerOf('index,utilization.gpu,memory.used'));
}

export function parseGpus(answer: string): Gpu[] {
  return linesOf(answer, gpuLine).map(([index, name, mib, driverVersion]) => ({
    ...{ index, name, driverVersion },
    memoryBytes: mib === null ? null : Math.round(mib * MIB),
  }));
}

export function parseGpuUse(answer: string): GpuUse[] {
  return linesOf(answer, useLine).map(([index, percent, mib]) => ({
    index,
    utilization: percent === null ? null : Math.min(1, percent / 100),
    memoryUsedBytes: mib === null ? null : Math.round(mib * MIB),
  }));
}

/** The lines that are of this form; what else is printed, such as that there are no devices, is passed over. */
function linesOf<Line>(answer: string, form: z.ZodType<Line>): Line[] {
  const lines = answer.split('\n').map((line) => form.safeParse(line.split(',').map((field) => field.trim())));
  return lines.flatMap((line) => (line.success ? [line.data] : [])).slice(0, MOST_GPUS);
}

/** A program that no signal ends must not gather others behind it. */
let isOut = false;

async function answerOf(query: string): Promise<string> {
  if (isOut) return '';
  const late = new AbortController();
  try {
    // The program's own limit does not help against one that no signal ends.
    return await Promise.race([ask(query), pause(ANSWER_WITHIN_MS, late.signal).then(() => '')]);
  } finally {
    late.abort();
  }
}

function ask(query: string): Promise<string> {
  const options = {
    timeout: ANSWER_WITHIN_MS,
    killSignal: 'SIGKILL',
    maxBuffer: LONGEST_ANSWER_BYTES,
    encoding: 'utf8',
  } as const;
  isOut = true;
  return new Promise((resolve) => {
    execFile(PROGRAM, [`--query-gpu=${query}`, '--format=csv,noheader,nounits'], options, (error, stdout) => {
      isOut = false;
      resolve(error === null ? stdout : '');
    });
  });
}
