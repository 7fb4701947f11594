import type { DocumentNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { boundedMap } from '../lib/bounded-map.ts';

/** So much the documents that are kept may take together, by the estimate below (bytes): some hundred of those that clients send. */
const MOST_BYTES = 32 * 1024 * 1024;
/** Of a document's text, and of what is made of each of its tokens (421 were measured). */
const [BYTES_PER_CHARACTER, BYTES_PER_TOKEN] = [2, 450] as const;

/**
 * Parses and validates what comes again once. Only what is valid is kept: what is not has errors besides, up to a hundred, and is of no use
 * again. Whoever sends a new document each time has it parsed each time, and drives others out that are parsed anew, no more.
 * The rules must be the same for all.
 */
export function keptDocuments({ mostBytes = MOST_BYTES }: { mostBytes?: number } = {}): Plugin {
  const kept = boundedMap<DocumentNode>(mostBytes, undefined, bytesOf);
  const valid = new WeakSet<DocumentNode>();
  return {
    onParse({ params: { source }, setParsedDocument }) {
      const known = typeof source === 'string' ? kept.get(source) : undefined;
      if (known !== undefined) setParsedDocument(known);
    },
    onValidate({ params, setResult }) {
      // The library does not say what it is.
      const document = params.documentAST as DocumentNode;
      if (valid.has(document)) {
        setResult([]);
        return undefined;
      }
      return ({ result }) => {
        const text = document.loc?.source.body;
        if (result.length > 0 || text === undefined) return;
        valid.add(document);
        if (bytesOf(text, document) <= mostBytes) kept.set(text, document);
      };
    },
  };
}

function bytesOf(text: string, { tokenCount }: DocumentNode): number {
  // What does not say how many tokens it has may have one for each character.
  return text.length * BYTES_PER_CHARACTER + (tokenCount ?? text.length) * BYTES_PER_TOKEN;
}
