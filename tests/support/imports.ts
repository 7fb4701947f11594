import { posix } from 'node:path';
import ts from 'typescript';

export interface Import {
  specifier: string;
  line: number;
  /** Gone when the types are stripped: nothing is loaded. */
  typeOnly: boolean;
}

export interface Module {
  imports: Import[];
  /** The lines that read `process.env`. */
  environmentReads: number[];
}

/** Reads what a module imports, in every way there is with a literal name, and where it reads the environment. */
export function readModule(path: string, source: string): Module {
  const options = { languageVersion: ts.ScriptTarget.Latest, jsDocParsingMode: ts.JSDocParsingMode.ParseNone };
  const file = ts.createSourceFile(path, source, options);
  const module: Module = { imports: [], environmentReads: [] };
  const lineOf = (node: ts.Node) => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
  const visit = (node: ts.Node): void => {
    const found = importIn(node);
    if (found !== undefined) module.imports.push({ ...found, line: lineOf(node) });
    if (readsEnvironment(node)) module.environmentReads.push(lineOf(node));
    ts.forEachChild(node, visit);
  };
  visit(file);
  return module;
}

/** The path in the repository that a relative specifier means; undefined for a package. */
export function targetOf(importer: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(importer), specifier) : undefined;
}

function importIn(node: ts.Node): Omit<Import, 'line'> | undefined {
  if (ts.isImportDeclaration(node)) {
    return named(node.moduleSpecifier, isTypeOnly(node.importClause));
  }
  if (ts.isExportDeclaration(node)) {
    const { exportClause, isTypeOnly: whole } = node;
    const parts = exportClause !== undefined && ts.isNamedExports(exportClause) ? exportClause.elements : [];
    return named(node.moduleSpecifier, whole || (parts.length > 0 && parts.every((part) => part.isTypeOnly)));
  }
  if (ts.isImportTypeNode(node)) {
    return ts.isLiteralTypeNode(node.argument) ? named(node.argument.literal, true) : undefined;
  }
  if (ts.isCallExpression(node)) {
    const { expression, arguments: given } = node;
    const isRequire = ts.isIdentifier(expression) && expression.text === 'require';
    return isRequire || expression.kind === ts.SyntaxKind.ImportKeyword ? named(given[0], false) : undefined;
  }
  return undefined;
}

function named(specifier: ts.Node | undefined, typeOnly: boolean): Omit<Import, 'line'> | undefined {
  return specifier !== undefined && ts.isStringLiteralLike(specifier)
    ? { specifier: specifier.text, typeOnly }
    : undefined;
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  if (name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings)) return false;
  return namedBindings.elements.length > 0 && namedBindings.elements.every((element) => element.isTypeOnly);
}

function readsEnvironment(node: ts.Node): boolean {
  // process.env, globalThis.process.env
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'env' && isProcess(node.expression);
  // process['env']
  if (ts.isElementAccessExpression(node)) {
    return (
      isProcess(node.expression) &&
      ts.isStringLiteralLike(node.argumentExpression) &&
      node.argumentExpression.text === 'env'
    );
  }
  // const { env } = process
  if (ts.isVariableDeclaration(node) && node.initializer !== undefined && isProcess(node.initializer)) {
    return ts.isObjectBindingPattern(node.name) && node.name.elements.some(takesEnv);
  }
  // import { env } from 'node:process'
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const bindings = node.importClause?.namedBindings;
    const fromProcess = ['process', 'node:process'].includes(node.moduleSpecifier.text);
    return fromProcess && bindings !== undefined && ts.isNamedImports(bindings) && bindings.elements.some(takesEnv);
  }
  return false;
}

function isProcess(node: ts.Expression): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'process';
  return ts.isIdentifier(node) && node.text === 'process';
}

function takesEnv(part: ts.BindingElement | ts.ImportSpecifier): boolean {
  const original = part.propertyName ?? part.name;
  return ts.isIdentifier(original) && original.text === 'env';
}
