import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { sendNodeResponse } from '@whatwg-node/server';
import type { createGraphQL } from './graphql.ts';
import type { Logger } from './log.ts';

/** What is said of anything unexpected: nothing. */
const UNEXPECTED = JSON.stringify({
  errors: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
});

/**
 * Answers requests by Yoga. Its own listener does the same, but tells the client the stack of whatever is thrown before or after an operation,
 * and the console of what is thrown while an answer is sent.
 */
export function createGraphQLListener(yoga: ReturnType<typeof createGraphQL>, log: Logger): RequestListener {
  return (request, response) =>
    void answer(yoga, request, response).catch((error: unknown) => {
      // Who has hung up is told nothing, and nothing is amiss.
      if (response.destroyed) return;
      log.error({ err: error }, 'A request of GraphQL could not be answered');
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'Content-Type': 'application/json' }).end(UNEXPECTED);
    });
}

async function answer(
  yoga: ReturnType<typeof createGraphQL>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const answered = await yoga.handleNodeRequestAndResponse(req, res, { req, res });
  // As Yoga's own listener sends it: status and headers at once.
  await sendNodeResponse(answered, res, req, true);
}
