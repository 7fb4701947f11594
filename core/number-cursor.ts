import { InvalidInputError } from './errors.ts';

/** The place of a row in a list that is ordered by one number, as clients are given it: a text that means nothing to them. */
export function numberCursor(position: string | number): string {
  return Buffer.from(`p:${position}`).toString('base64url');
}

/**
 * The number that such a cursor stands for.
 * @throws InvalidInputError naming the argument, when the text is no cursor of a list
 */
export function numberOfCursor(argument: string, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const position = /^p:(\d{1,18})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1];
  if (position !== undefined) return position;
  throw new InvalidInputError([
    { path: [argument], message: 'Expected a cursor that this list has given out, got another text' },
  ]);
}
