import type { TypedDocumentString } from './generated/graphql.ts';

/** What carries the operations: a websocket, or plain requests where none gets through. */
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
  /** Whether `subscribe` would tell anything now. What carries the operations may change, which is told as a new connection. */
  canSubscribe(): boolean;
  close(): Promise<void>;
}
