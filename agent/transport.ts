import type { TypedDocumentString } from './generated/graphql.ts';

/** What carries the operations: one websocket, or anything else that can ask and be told. */
export interface Transport {
  /** One answer. Rejects when the server reports an error, when the transport fails, and when `signal` is aborted. */
  request<Data, Variables extends object>(
    operation: TypedDocumentString<Data, Variables>,
    variables: Variables,
    signal: AbortSignal,
  ): Promise<Data>;
  /** Answers until the returned function is called; `ended` when the other side ends it. */
  subscribe<Data, Variables extends object>(
    operation: TypedDocumentString<Data, Variables>,
    variables: Variables,
    listener: { next(data: Data): void; ended(why: unknown): void },
  ): () => void;
  close(): Promise<void>;
}
