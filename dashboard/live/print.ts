import { stringifyDocument, type TypedDocumentNode } from '@urql/core';

/** A generated document as the text that goes over the socket. */
export function print(document: TypedDocumentNode<unknown, never>): string {
  return stringifyDocument(document);
}
