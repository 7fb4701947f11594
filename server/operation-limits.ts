import {
  getOperationAST,
  GraphQLError,
  Kind,
  NoSchemaIntrospectionCustomRule,
  parse,
  validate,
  type ExecutionArgs,
  type ValidationRule,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from '../schema/index.ts';
import { limitError, type Limits } from './limits.ts';
import { measure } from './measure.ts';

/** Bounds what one operation may ask for, over whatever it comes: a request, or a socket. */
export function operationLimits(limits: Limits, { introspection }: { introspection: boolean }): Plugin<Context> {
  const rules = [withinLimits(limits), ...(introspection ? [] : [NoSchemaIntrospectionCustomRule])];
  const faultOf = ({ document, operationName, variableValues }: ExecutionArgs): GraphQLError | undefined => {
    const operation = getOperationAST(document, operationName);
    if (!operation) return undefined;
    const { nodes } = measure(document, operation, variableValues ?? {});
    return nodes > limits.KELPIE_MAX_NODES ? limitError(limits, 'KELPIE_MAX_NODES', nodes) : undefined;
  };
  return {
    onParse({ setParseFn }) {
      setParseFn((source: string, options: object) => parseWithin(limits, source, options));
    },
    onValidate({ addValidationRule, setValidationFn }) {
      rules.forEach((rule) => addValidationRule(rule));
      // A suggestion of what was meant tells of the schema.
      if (!introspection) {
        setValidationFn((...[schema, document, used, options]: Parameters<typeof validate>) =>
          validate(schema, document, used, { ...options, hideSuggestions: true }),
        );
      }
    },
    onExecute({ args, setResultAndStopExecution }) {
      const fault = faultOf(args);
      if (fault !== undefined) setResultAndStopExecution({ errors: [fault] });
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const fault = faultOf(args);
      if (fault !== undefined) setResultAndStopExecution({ errors: [fault] });
    },
    onParams({ params }) {
      const fault = paramsFault(limits, params);
      if (fault === undefined) return;
      fault.extensions.http = { status: 400 };
      throw fault;
    },
  };
}

/**
 * What can be told before an operation is read. Its document is known again by its text, so that must not be long; what comes along with it is
 * walked by functions that call themselves: too deep, and the stack ends.
 */
export function paramsFault(
  limits: Limits,
  params: { query?: unknown; variables?: unknown; extensions?: unknown },
): GraphQLError | undefined {
  if (typeof params.query === 'string' && params.query.length > limits.KELPIE_MAX_QUERY_CHARACTERS) {
    return limitError(limits, 'KELPIE_MAX_QUERY_CHARACTERS', params.query.length);
  }
  const most = limits.KELPIE_MAX_VARIABLES_DEPTH;
  const isTooDeep = [params.variables, params.extensions].some((value) => isDeeper(value, most));
  return isTooDeep ? limitError(limits, 'KELPIE_MAX_VARIABLES_DEPTH', 'more') : undefined;
}

function isDeeper(value: unknown, levels: number): boolean {
  let level = [value].filter(isContainer);
  for (let depth = 0; depth < levels && level.length > 0; depth++) {
    level = level.flatMap((container): unknown[] => Object.values(container)).filter(isContainer);
  }
  return level.length > 0;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function parseWithin(limits: Limits, source: string, options: object) {
  try {
    return parse(source, { ...options, maxTokens: limits.KELPIE_MAX_TOKENS });
  } catch (error) {
    const isTooLong = error instanceof GraphQLError && /more than \d+ tokens/.test(error.message);
    throw isTooLong ? limitError(limits, 'KELPIE_MAX_TOKENS', 'more') : error;
  }
}

/** What can be told without the variables' values, so that it is looked at once for a document that comes again. */
function withinLimits(limits: Limits): ValidationRule {
  return function withinLimitsRule(context) {
    const document = context.getDocument();
    return {
      Document() {
        for (const node of document.definitions) {
          if (node.kind !== Kind.OPERATION_DEFINITION) continue;
          const { depth, aliases, rootFields } = measure(document, node);
          if (depth > limits.KELPIE_MAX_QUERY_DEPTH) {
            context.reportError(limitError(limits, 'KELPIE_MAX_QUERY_DEPTH', depth));
          }
          if (aliases > limits.KELPIE_MAX_ALIASES) {
            context.reportError(limitError(limits, 'KELPIE_MAX_ALIASES', aliases));
          }
          if (rootFields > limits.KELPIE_MAX_ROOT_FIELDS) {
            context.reportError(limitError(limits, 'KELPIE_MAX_ROOT_FIELDS', rootFields));
          }
        }
      },
    };
  };
}
