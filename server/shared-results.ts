import {
  createSourceEventStream,
  Kind,
  mapSourceToResponseEvent,
  validateSubscriptionArgs,
  visit,
  type ArgumentNode,
  type DefinitionNode,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Viewer } from '../core/accounts/keys.ts';
import { createLoadTurns } from '../lib/load-turns.ts';
import { isShared, type Context } from '../schema/index.ts';
import { sizeOfResult } from './askers.ts';
import type { ExecuteStep, FairSteps, StepResult } from './fair-steps.ts';

/**
 * Of all who follow one thing with one document and the same rights, one has each change executed, and the others are given the
 * same result. Which subscriptions hand the same object to all of them, the schema says (`isShared`).
 */
export function sharedResults(stepsOf: FairSteps): Plugin<Context> {
  const sharedStepsOf = createSharedExecutor(stepsOf);
  const oneByOne = createOneByOne();
  return {
    onSubscribe({ subscribeFn, setSubscribeFn }) {
      setSubscribeFn((args: ExecutionArgs) => {
        const valid = validateSubscriptionArgs(args);
        // What is wrong with the arguments is told in the words of the one who would have executed them.
        if (!('schema' in valid)) return subscribeFn(args) as unknown;
        return subscribe(valid, oneByOne(valid, sharesResults(valid) ? sharedStepsOf(valid) : stepsOf(valid, false)));
      });
    },
  };
}

async function subscribe(args: ValidatedSubscriptionArgs, execute: ExecuteStep) {
  const source = await createSourceEventStream(args);
  return Symbol.asyncIterator in source ? mapSourceToResponseEvent(args, source, execute) : source;
}

/** What is shorter is sent at once, to however many. */
const LONG = 16_384;
/** Of what is longer, so many characters in one turn of the event loop. */
const AT_ONCE = 1024 * 1024;

/**
 * One long result may be for thousands, and is written out for each of them: all at once, that would be more than fits into memory, before anybody
 * looks at who reads it, and nobody else would be heard until it is over.
 */
function createOneByOne() {
  const turns = createLoadTurns(AT_ONCE);
  return ({ contextValue }: ValidatedSubscriptionArgs, execute: ExecuteStep): ExecuteStep => {
    const { accountId, keyId } = (contextValue as Context).viewer;
    const inTurn = (result: ExecutionResult): ExecutionResult | Promise<ExecutionResult> => {
      const size = sizeOfResult(result);
      return size <= LONG ? result : turns.take({ group: accountId, name: keyId }, size).then(() => result);
    };
    return (each) => {
      const result = execute(each);
      return result instanceof Promise ? result.then(inTurn) : inTurn(result);
    };
  };
}

function sharesResults({ schema, operation }: ValidatedSubscriptionArgs): boolean {
  const [field] = operation.selectionSet.selections;
  return field?.kind === Kind.FIELD && isShared(schema.getSubscriptionType()?.getFields()[field.name.value]);
}

/**
 * For how long those who follow the same thing come for a result, in milliseconds. Whoever is slower has it made anew: what is told waits
 * in the queues of the slow, and must not hold there what everybody else was shown.
 */
const SHARED_MS = 250;

/** The results hang on what was told. */
function createSharedExecutor(stepsOf: FairSteps): (args: ValidatedSubscriptionArgs) => ExecuteStep {
  const results = new WeakMap<object, Map<string, StepResult>>();
  const numbers = createNumbers();
  return (args) => {
    const execute = stepsOf(args, true);
    const key = `${numbers.of(args.operation)} ${valuesOf(args)} ${rightsOf((args.contextValue as Context).viewer)}`;
    return (each) => {
      // What a shared subscription tells is an object.
      const told = each.rootValue as object;
      const ofTold = results.get(told) ?? new Map<string, StepResult>();
      const known = ofTold.get(key);
      if (known !== undefined) return known;
      const result = execute(each);
      results.set(told, ofTold.set(key, result));
      const forget = () => void setTimeout(() => ofTold.delete(key), SHARED_MS).unref();
      void Promise.resolve(result).then(forget, forget);
      return result;
    };
  };
}

/** A document that comes again is not parsed again, so its operations can be known by themselves. */
function createNumbers() {
  const numbers = new WeakMap<object, number>();
  let last = 0;
  return {
    of(one: object): number {
      const number = numbers.get(one) ?? ++last;
      numbers.set(one, number);
      return number;
    },
  };
}

/** Who may see what, whoever it is. */
function rightsOf(viewer: Viewer): string {
  return JSON.stringify({ ...viewer, keyId: null, until: null });
}

/** The variables that can make a difference to the result. One that is not given is not one that is null. */
function valuesOf({ document, rawVariableValues }: ValidatedSubscriptionArgs): string {
  const given = rawVariableValues ?? {};
  return JSON.stringify(variablesWithin(document).map((name) => (name in given ? [given[name]] : [])));
}

const found = new WeakMap<DocumentNode, readonly string[]>();

/** Not those in the arguments of a subscription itself: they say what is told, and have no part in how it is shown. */
function variablesWithin(document: DocumentNode): readonly string[] {
  const known = found.get(document);
  if (known !== undefined) return known;
  const names = new Set<string>();
  const outermost = new Set(document.definitions.flatMap(argumentsOfRoot));
  visit(document, {
    VariableDefinition: () => false,
    Argument: (node) => (outermost.has(node) ? false : undefined),
    Variable: ({ name }) => void names.add(name.value),
  });
  found.set(document, [...names]);
  return [...names];
}

function argumentsOfRoot(definition: DefinitionNode): ArgumentNode[] {
  if (definition.kind !== Kind.OPERATION_DEFINITION || definition.operation !== 'subscription') return [];
  return definition.selectionSet.selections.flatMap((each) => (each.kind === Kind.FIELD ? (each.arguments ?? []) : []));
}
