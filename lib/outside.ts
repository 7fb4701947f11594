import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Runs something that is nobody's: what many share must not go on as a part of the one who happened to ask first, whose name every line
 * of the log that it writes would bear, for as long as it runs. Everything that follows from it is nobody's as well.
 */
export const outside: <Result>(run: () => Result) => Result = AsyncLocalStorage.snapshot();
