import { InvalidInputError } from '../errors.ts';

/**
 * A place in the feed. Places are ordered by `xid`, then `id`; the one of `id` 0 stands before every event of its xid. Decimal
 * texts, because both are wider than a number.
 */
export interface Position {
  xid: string;
  id: string;
}

/** Whether `one` stands behind `other` in the feed. */
export function isAfter(one: Position, other: Position): boolean {
  const [xid, otherXid] = [BigInt(one.xid), BigInt(other.xid)];
  return xid === otherXid ? BigInt(one.id) > BigInt(other.id) : xid > otherXid;
}

/** A position as clients are given it: a text that means nothing to them, of one line, at most 56 characters. */
export function cursorOf({ xid, id }: Position): string {
  return Buffer.from(`${xid}:${id}`).toString('base64url');
}

/**
 * The position that a cursor stands for.
 * @param argument what the caller calls it, for the error
 * @throws InvalidInputError when the text is no cursor of an event
 */
export function positionOf(argument: string, cursor: string): Position {
  const [, xid = '', id = ''] = /^(\d{1,20}):(\d{1,19})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (xid !== '' && BigInt(xid) <= MAX_XID && BigInt(id) <= MAX_ID) return { xid, id };
  throw new InvalidInputError([
    { path: [argument], message: 'Expected the cursor of an event, as it was given out, got another text' },
  ]);
}

const MAX_XID = 2n ** 64n - 1n;
const MAX_ID = 2n ** 63n - 1n;
