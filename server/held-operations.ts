import { getOperationAST, OperationTypeNode, type DocumentNode, type GraphQLError } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import { RateLimitedError } from '../core/errors.ts';
import { createPlaces } from '../lib/places.ts';
import { publicError } from '../schema/index.ts';
import { createBodies } from './bodies.ts';
import type { Limits } from './limits.ts';
import { isAgents } from './report-lease.ts';

/** Bounds what operations hold that have come over sockets as a whole, until they are over: those that follow something may never be. */
export interface HeldOperations {
  /**
   * Counts one. An agent's verb alone is not counted, unless it follows something with more than that takes.
   * @returns what is to be called when it is over, or what it is told instead when that would be too much
   */
  hold(accountId: string, operation: HeldOperation): (() => void) | GraphQLError;
}

export interface HeldOperation {
  id: string;
  params: SubscribePayload;
  document: DocumentNode;
}

/** So much of each is not counted: whoever follows something names it, and asks for what there is of it. */
const FREE_BYTES = 2_048;
/** So many one account follows at a server. Each takes some tens of KiB, whatever is followed. */
const MOST_FOLLOWED = 10_000;

/** @param options.mostFollowed by one account (10,000) */
export function createHeldOperations(
  limits: Limits,
  { mostFollowed = MOST_FOLLOWED }: { mostFollowed?: number } = {},
): HeldOperations {
  const bodies = createBodies(limits, FREE_BYTES);
  const places = createPlaces(mostFollowed);
  const tooMany = (): never => {
    const message = `Expected at most ${mostFollowed} subscriptions of one account over sockets of one server, got more: follow many jobs with one`;
    throw new RateLimitedError(message, 1);
  };
  return {
    hold(accountId, { id, params, document }) {
      const operation = getOperationAST(document, params.operationName);
      const follows = operation?.operation === OperationTypeNode.SUBSCRIPTION;
      const isVerb = operation != null && isAgents(operation);
      if (isVerb && !follows) return NOTHING;
      const reading = bodies.begin(accountId);
      try {
        reading.add(id.length + JSON.stringify(params).length);
        const giveBack = follows && !isVerb ? (places.take(accountId) ?? tooMany()) : NOTHING;
        return () => {
          reading.end();
          giveBack();
        };
      } catch (error) {
        reading.end();
        const shown = publicError(error);
        if (shown === undefined) throw error;
        return shown;
      }
    },
  };
}

const NOTHING = (): void => undefined;
