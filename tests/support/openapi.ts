import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { TestApp } from './app.ts';

export type Schema = { readonly [name: string]: unknown };

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}

type Content = Record<string, { schema: Schema; example?: unknown }>;

export interface Operation {
  operationId: string;
  summary: string;
  description: string;
  parameters?: Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
  /** Empty of what needs no credentials. */
  security?: Schema[];
}

export interface Document {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, Schema> };
  security: Schema[];
}

/** One route of the document. */
export interface Route {
  /** As in `DELETE /jobs/{id}`. */
  name: string;
  method: string;
  path: string;
  operation: Operation;
}

/** The document, as clients read it. */
export interface Api {
  document: Document;
  routes: Route[];
  /** Those of them that want credentials. */
  guarded: Route[];
  /** The route that a request is about; its path may have a query. */
  routeOf(method: string, path: string): Route | undefined;
  /** What of an answer is not as the document says; empty when all is. */
  faults(route: Route, answer: Answer): string[];
  /** What of a value is not as a part of the document says, by the part's JSON pointer. */
  faultsOf(pointer: string, value: unknown): string[];
}

export interface Answer {
  status: number;
  contentType: string | null;
  text: string;
}

export async function readApi(app: Pick<TestApp, 'url'>): Promise<Api> {
  const document = (await (await fetch(`${app.url}/openapi.json`)).json()) as Document;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ $id: 'kelpie:/document', ...document });
  const validators = new Map<string, ValidateFunction>();
  const faultsOf = (pointer: string, value: unknown): string[] => {
    const validate = validators.get(pointer) ?? ajv.compile({ $ref: `kelpie:/document#${encodeURI(pointer)}` });
    validators.set(pointer, validate);
    return validate(value)
      ? []
      : (validate.errors ?? []).map((fault) => `${fault.instancePath} ${fault.message ?? ''}`);
  };
  const routes = routesOf(document);
  const routeOf = (method: string, path: string) =>
    routes.find((route) => route.method === method && matches(route.path, path));
  return {
    document,
    routes,
    guarded: routes.filter(({ operation }) => operation.security?.length !== 0),
    routeOf,
    faultsOf,
    faults: (route, answer) => faultsIn(route, answer, faultsOf),
  };
}

function matches(template: string, path: string): boolean {
  const [wanted, given] = [template.split('/'), (path.split('?')[0] ?? '').split('/')];
  const fits = (part: string, index: number) => part === given[index] || (part === '{id}' && given[index] !== '');
  return wanted.length === given.length && wanted.every(fits);
}

/** A place in the document, by the names on the way. */
export function pointer(...names: string[]): string {
  return names.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function routesOf(document: Document): Route[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      return { name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation };
    }),
  );
}

function faultsIn({ method, path, operation }: Route, answer: Answer, faultsOf: Api['faultsOf']): string[] {
  const declared = operation.responses[answer.status];
  if (declared === undefined) return [`status ${answer.status} is not declared: ${answer.text.slice(0, 500)}`];
  if (declared.content === undefined) return answer.text === '' ? [] : ['a body where none is declared'];
  const type = answer.contentType?.split(';')[0] ?? 'none';
  if (declared.content[type] === undefined) return [`content type ${type} is not declared for ${answer.status}`];
  const at = ['paths', path, method.toLowerCase(), 'responses', String(answer.status), 'content', type, 'schema'];
  return faultsOf(pointer(...at), type.endsWith('json') ? JSON.parse(answer.text) : answer.text);
}
