/** What the store has refused; `name` is the code it gave, as in the SDK's errors. */
export class StoreError extends Error {
  /** As the SDK's errors have it. */
  readonly $metadata: { httpStatusCode: number };

  /** What time the store had. */
  readonly date: string | undefined;

  constructor(code: string, { status, date }: Pick<Refusal, 'status' | 'date'>, message: string) {
    super(message);
    this.name = code;
    this.date = date;
    this.$metadata = { httpStatusCode: status };
  }
}

export interface Refusal {
  status: number;
  statusMessage: string;
  /** Of the header of this name. */
  date: string | undefined;
  /** What the store says of it; leaving it early has to end the connection. */
  chunks: AsyncIterable<Uint8Array>;
}

/** Of the document, or of a body in chunks: such a connection stays open behind it. */
const END = /<\/Error>|(?:^|\n)0+\r\n\r\n$/;
const LONGEST_REFUSAL = 64 * 2 ** 10;

/** Reads what the store says of its refusal. Where it breaks off, the status alone is what it said. */
export async function refusalOf({ status, statusMessage, date, chunks }: Refusal): Promise<StoreError> {
  const text = await textOf(chunks);
  const code = /<Code>([^<]+)<\/Code>/.exec(text)?.[1] ?? `Http${status}`;
  const message = /<Message>([^<]+)<\/Message>/.exec(text)?.[1] ?? statusMessage;
  return new StoreError(code, { status, date }, `the store answered ${status} ${code}: ${message}`);
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of chunks) {
      text += decoder.decode(chunk, { stream: true });
      if (END.test(text) || text.length > LONGEST_REFUSAL) break;
    }
  } catch {
    // The status is known.
  }
  return text;
}
