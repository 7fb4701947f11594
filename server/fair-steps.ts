import {
  executeSubscriptionEvent,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
  type GraphQLSchema,
  type ValidatedExecutionArgs,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import type { Asker } from '../core/fair-share.ts';
import type { Context } from '../schema/index.ts';
import { asCounted, askerOf, isWork, readsWithin } from './askers.ts';
import type { Limits } from './limits.ts';
import type { ExecutionPlaces } from './execution-places.ts';

export type StepResult = ReturnType<typeof executeSubscriptionEvent>;

/** Executes what a subscription tells, each time that it tells something. */
export type ExecuteStep = (each: ValidatedExecutionArgs) => StepResult;

/**
 * How a subscription's steps are executed.
 * @param isShared whether others are given the same result: then it is nobody's own, and whoever goes, the others are told
 */
export type FairSteps = (subscription: ValidatedSubscriptionArgs, isShared: boolean) => ExecuteStep;

/**
 * Each step may read as much as any operation, and waits for a place where it looks up lists. One that does not needs none: of those there are
 * thousands at a time when a fleet is watched, and what they look up is looked up for all of them together.
 */
export function createFairSteps(limits: Limits, places: ExecutionPlaces): FairSteps {
  return (subscription, isShared) => {
    const { schema, document, operation, rawVariableValues } = subscription;
    const execute: ExecuteStep = (each) => executeSubscriptionEvent({ ...each, operation });
    const asked = { document, operationName: operation.name?.value, variableValues: rawVariableValues };
    if (!isShared && isWork(asked)) return execute;
    const looksUpLists = hasListsWithin(schema, document);
    const { accountId, keyId, gone } = askerOf(subscription.contextValue as Context);
    const who: Asker = isShared ? { accountId, keyId: SHARED, isOfMany: !looksUpLists } : { accountId, keyId, gone };
    // A step that is refused is not told again, and may be the last one.
    const asker: Asker = { ...who, reads: readsWithin(limits, asked), isPatient: 'ALWAYS' };
    return (each) => {
      const run = () => asCounted(asker, () => execute(each));
      return looksUpLists ? places.hold(asker, run, { isPatient: true }) : run();
    };
  };
}

/** In place of a key, of which any may be the first to ask. */
const SHARED = 'shared';

const known = new WeakMap<DocumentNode, boolean>();

/** Whether there are fields with arguments, given or not, within what is told: by them lists and logs are looked up, and nothing else. */
function hasListsWithin(schema: GraphQLSchema, document: DocumentNode): boolean {
  const found = known.get(document);
  if (found !== undefined) return found;
  const types = new TypeInfo(schema);
  let hasLists = false;
  const Field = () => {
    const isWithin = types.getParentType() !== schema.getSubscriptionType();
    if (isWithin && (types.getFieldDef()?.args.length ?? 0) > 0) hasLists = true;
  };
  visit(document, visitWithTypeInfo(types, { Field }));
  known.set(document, hasLists);
  return hasLists;
}
