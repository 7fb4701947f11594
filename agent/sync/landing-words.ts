import type { Take, Taken } from './arriving-file.ts';
import { FileFault } from './file-fault.ts';
import type { Observed } from './scan.ts';
import { StoreError } from './store-error.ts';

/** What the thread that downloads is told. `id` counts requests, `file` files. */
export type Order =
  | { kind: 'TAKE'; id: number; file: number; path: string; mayExpand: boolean; take: Take }
  | { kind: 'KEEP'; id: number; file: number; to: string; modified: Date | undefined }
  | { kind: 'DROP'; id: number; file: number }
  /** Of the TAKE of this id; that still has its answer. */
  | { kind: 'GIVE_UP'; id: number };

/** What it answers: each order but GIVE_UP once, by its id, after any number of MOVED. */
export type Told =
  | { kind: 'MOVED'; id: number; bytes: number }
  | { kind: 'TAKEN'; id: number; taken: Taken; failure: TravellingError | undefined }
  | { kind: 'KEPT'; id: number; state: Observed }
  | { kind: 'DROPPED'; id: number }
  | { kind: 'FAILED'; id: number; error: TravellingError };

/** Of an error that goes from one thread to another only the text would arrive. */
export interface TravellingError {
  name: string;
  message: string;
  code: string | undefined;
  refusal: { status: number; date: string | undefined } | undefined;
}

export function packed(error: unknown): TravellingError {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const isRefusal = error instanceof StoreError;
  return {
    name,
    message,
    code,
    refusal: isRefusal ? { status: error.$metadata.httpStatusCode, date: error.date } : undefined,
  };
}

export function unpacked({ name, message, code, refusal }: TravellingError): Error {
  if (refusal !== undefined) return new StoreError(name, refusal, message);
  const error = Object.assign(new Error(message), { name }, code === undefined ? {} : { code });
  return name === 'FileFault' ? new FileFault(error) : error;
}
