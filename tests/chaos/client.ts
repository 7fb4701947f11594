import { z } from 'zod';

/** A person's or program's way to the servers: whichever is up. */
export interface ApiClient {
  /** One operation. Rejects when no server answers, or it answers with errors. */
  ask(key: string, query: string, variables: object): Promise<Record<string, unknown>>;
}

const WITHIN_MS = 5_000;

const Answer = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z.array(z.object({ message: z.string() })).optional(),
});

export function createApiClient(ports: () => number[]): ApiClient {
  let turn = 0;
  return {
    async ask(key, query, variables) {
      const up = ports();
      const port = up[turn++ % up.length];
      if (port === undefined) throw new Error('no server is up');
      const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': key },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(WITHIN_MS),
      });
      const { data, errors } = Answer.parse(await response.json());
      if (errors !== undefined) throw new Error(errors.map(({ message }) => message).join('; '));
      return data ?? {};
    },
  };
}
