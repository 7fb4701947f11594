import { pipeline, Readable, Transform } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';

/** A page of 1,000 keys of 1,024 bytes, each byte of them escaped, is a tenth of that. */
const MOST_BYTES = 32 * 2 ** 20;

/**
 * Has every answer to a client's commands fail that goes on without end: the SDK reads all of it before it looks at any. Objects do not
 * come this way.
 */
export function boundAnswers(client: S3Client, mostBytes = MOST_BYTES): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      const { response } = answer;
      if (hasBody(response)) response.body = bounded(response.body, mostBytes);
      return answer;
    },
    // Nearer to the network than what reads the answer.
    { name: 'boundedAnswers', step: 'deserialize', priority: 'low' },
  );
}

function hasBody(response: unknown): response is { body: Readable } {
  return typeof response === 'object' && response !== null && 'body' in response && response.body instanceof Readable;
}

function bounded(body: Readable, mostBytes: number): Readable {
  let bytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= mostBytes) done(null, chunk);
      else done(new Error(`Expected an answer of the store of at most ${mostBytes} bytes, got more`));
    },
  });
  // Whoever reads is told of what goes wrong by the stream itself.
  return pipeline(body, counted, () => undefined);
}
