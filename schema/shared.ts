import type { GraphQLField } from 'graphql';

const NAME = 'sharesResults';

/**
 * Of a subscription: it hands the same object to all who are told the same thing, and its fields look at that object, at the
 * viewer's rights and at nothing else of who asks. So what one of them is shown can be shown to the others.
 */
export const shared = { extensions: { [NAME]: true } } as const;

export function isShared(field: Pick<GraphQLField<unknown, unknown>, 'extensions'> | undefined): boolean {
  return field?.extensions[NAME] === true;
}
