import type { Client } from 'graphql-ws';

/** What one operation on a socket tells, as it comes. */
export interface Heard<Told> {
  /** The values of its one field. */
  heard: Told[];
  errors: { message?: string; extensions?: Record<string, unknown> }[];
  ended: () => boolean;
  /** Hangs up, on that operation alone. */
  leave: () => void;
}

/** Runs an operation of one field, to its end or until it is left. */
export function hear<Told = Record<string, unknown>>(
  client: Client,
  query: string,
  variables: Record<string, unknown> = {},
): Heard<Told> {
  const heard: Told[] = [];
  const errors: Heard<Told>['errors'] = [];
  let ended = false;
  const leave = client.subscribe<Record<string, Told>>(
    { query, variables },
    {
      next: ({ data, errors: faults }) => {
        errors.push(...((faults ?? []) as typeof errors));
        if (data != null) heard.push(...Object.values(data));
      },
      error: (error) => {
        errors.push(...((Array.isArray(error) ? error : [error]) as typeof errors));
        ended = true;
      },
      complete: () => (ended = true),
    },
  );
  return { heard, errors, leave, ended: () => ended };
}
