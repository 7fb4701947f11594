const kept = new WeakMap<AbortSignal, readonly AbortSignal[]>();

/**
 * A signal that is aborted as soon as one of these is. `AbortSignal.any` holds its sources weakly: a time limit that nobody else holds is
 * collected while nobody listens, and then never comes. Here sources live for as long as what is made of them.
 */
export function anyOf(...signals: AbortSignal[]): AbortSignal {
  // eslint-disable-next-line no-restricted-properties -- The one place that makes up for it.
  const either = AbortSignal.any(signals);
  kept.set(either, signals);
  return either;
}
