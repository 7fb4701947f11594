import { isBuiltin } from 'node:module';
import { readModule, targetOf, type Import } from './imports.ts';

/** Path in the repository → contents. */
export type Sources = Readonly<Record<string, string>>;

/** Paths that begin so. `db/` is a folder, `schema/index.ts` a file. */
type Prefixes = readonly string[];

export interface Storey {
  folder: string;
  /** What it may import beside itself and packages. */
  knows: Prefixes | 'everything';
  /** What it may import types of. */
  knowsTypesOf?: Prefixes;
  because: string;
}

export interface Exception {
  files: string;
  because: string;
}

export interface DoorException extends Exception {
  knows: Prefixes;
}

export interface Budget extends Exception {
  /** undefined: no bound. */
  lines: number | undefined;
}

export interface Manifest {
  dependencies?: Readonly<Record<string, string>>;
  devDependencies?: Readonly<Record<string, string>>;
}

/** Imports that do not point down. A folder without a row is itself a breach. */
export function forbiddenImports(sources: Sources, storeys: readonly Storey[], exceptions: readonly DoorException[]) {
  return modules(sources).flatMap(({ path, imports }) => {
    const storey = storeys.find(({ folder }) => path.startsWith(folder));
    if (storey === undefined) return [`${path}: its folder has no row in the table of storeys`];
    return imports
      .filter(({ target }) => target !== undefined && !target.startsWith(storey.folder))
      .filter((each) => !mayImport(path, each, storey, exceptions))
      .map(
        ({ line, target }) =>
          `${path}:${line} imports ${target}. ${storey.folder} knows ${allowance(storey)}: ${storey.because}`,
      );
  });
}

/** Each ring of files that import each other, as a path that ends where it began. Types count: they bind as well. */
export function importCycles(sources: Sources): string[] {
  const graph = new Map(modules(sources).map(({ path, imports }) => [path, imports]));
  const finished = new Set<string>();
  const cycles: string[] = [];
  const walk = (path: string, way: string[]): void => {
    if (way.includes(path)) {
      cycles.push([...way.slice(way.indexOf(path)), path].join(' → '));
      return;
    }
    if (finished.has(path)) return;
    const targets = new Set((graph.get(path) ?? []).map(({ target }) => target));
    for (const target of targets) if (target !== undefined) walk(target, [...way, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return cycles;
}

/** Files longer than their budget: the first row that matches decides. */
export function tooLongFiles(sources: Sources, budgets: readonly Budget[]): string[] {
  return Object.entries(sources).flatMap(([path, source]) => {
    const budget = budgets.find(({ files }) => matches(path, files));
    const lines = source.trimEnd().split('\n').length;
    if (budget?.lines === undefined || lines <= budget.lines) return [];
    return [`${path} has ${lines} lines, ${budget.lines} are allowed: ${budget.because}`];
  });
}

/** Reads of process.env outside of a program's config.ts. */
export function environmentReads(sources: Sources, exceptions: readonly Exception[]): string[] {
  return modules(sources)
    .filter(({ path }) => !exceptions.some(({ files }) => matches(path, files)))
    .flatMap(({ path, environmentReads: lines }) =>
      lines.map(
        (line) => `${path}:${line} reads process.env: only a program's config.ts does, where it is checked whole`,
      ),
    );
}

/**
 * Imports of packages that package.json doesn't name, and, below the folders `shipped`, of such that only development has:
 * a server installed with `npm ci --omit=dev` would not start.
 */
export function undeclaredPackages(sources: Sources, manifest: Manifest, shipped: Prefixes): string[] {
  const { dependencies = {}, devDependencies = {} } = manifest;
  return modules(sources).flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, target, line, typeOnly }) => {
      if (target !== undefined || isBuiltin(specifier)) return [];
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
      if (name in dependencies) return [];
      const isShipped = shipped.some((folder) => path.startsWith(folder));
      if (name in devDependencies && (typeOnly || !isShipped)) return [];
      const where = isShipped ? 'the dependencies' : 'the dependencies or devDependencies';
      return [`${path}:${line} imports ${name}, which is not among ${where} of package.json`];
    }),
  );
}

/** Dependencies that are not pinned to one version. */
export function looseVersions({ dependencies, devDependencies }: Manifest): string[] {
  const exact = /^(npm:(@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(-[\w.-]+)?$/;
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !exact.test(version))
    .map(([name, version]) => `package.json: ${name} is "${version}", expected one exact version`);
}

interface Located extends Import {
  /** The file in the repository; undefined for a package. */
  target: string | undefined;
}

const CODE = /\.[cm]?[jt]sx?$/;

interface LocatedModule {
  path: string;
  imports: Located[];
  environmentReads: number[];
}

/** To parse every file of the repository takes seconds, and several laws ask for it. */
const parsed = new WeakMap<Sources, LocatedModule[]>();

function modules(sources: Sources): LocatedModule[] {
  const known =
    parsed.get(sources) ??
    Object.entries(sources)
      .filter(([path]) => CODE.test(path))
      .map(located);
  parsed.set(sources, known);
  return known;
}

function located([path, source]: [string, string]): LocatedModule {
  const { imports, environmentReads: lines } = readModule(path, source);
  return {
    path,
    imports: imports.map((each): Located => ({ ...each, target: targetOf(path, each.specifier) })),
    environmentReads: lines,
  };
}

function mayImport(
  path: string,
  { target = '', typeOnly }: Located,
  storey: Storey,
  exceptions: readonly DoorException[],
) {
  if (storey.knows === 'everything') return true;
  const excepted = exceptions.filter(({ files }) => matches(path, files)).flatMap(({ knows }) => knows);
  const known = [...storey.knows, ...excepted, ...(typeOnly ? (storey.knowsTypesOf ?? []) : [])];
  return known.some((prefix) => target.startsWith(prefix));
}

function allowance({ knows, knowsTypesOf = [] }: Storey): string {
  if (knows === 'everything') return knows;
  const all = [...knows, ...knowsTypesOf.map((prefix) => `types of ${prefix}`)];
  return all.length > 0 ? all.join(', ') : 'only itself and packages';
}

/** `files` is a path, a folder with its slash, or begins with `*` for an ending. */
function matches(path: string, files: string): boolean {
  if (files === '*') return true;
  if (files.startsWith('*')) return path.endsWith(files.slice(1));
  return files.endsWith('/') ? path.startsWith(files) : path === files;
}
