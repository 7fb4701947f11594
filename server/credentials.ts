import { saladName } from '../core/accounts/names.ts';
import { InvalidInputError, UnauthenticatedError } from '../core/errors.ts';

export const KEY_HEADER = 'X-Kelpie-Key';
const SALAD_KEY_HEADER = 'Salad-Api-Key';
const ORGANIZATION_HEADER = 'Salad-Organization';
const PROJECT_HEADER = 'Salad-Project';
const TOKEN_HEADER = 'Authorization';

/** Reads a header of a request, or a member of a socket's `connectionParams`, whatever the case of its name. */
export type ReadHeader = (name: string) => string | null | undefined;

/** What somebody shows to say who asks. The names are plain ones, in lower case. */
export type Presented =
  | { kind: 'key'; key: string }
  | { kind: 'saladKey'; apiKey: string; organization: string; project: string }
  | { kind: 'saladToken'; token: string; project: string };

/** The kinds of Salad's that this server takes. */
export interface Taken {
  saladKey: boolean;
  saladToken: boolean;
}

/**
 * The credentials of a request. Headers of a kind that this server does not take are not looked at.
 * @throws UnauthenticatedError when there are none, or a part of them is missing
 * @throws InvalidInputError for several kinds at once, because they may stand for different accounts, and for names that are none
 */
export function presentedIn(read: ReadHeader, taken: Taken): Presented {
  const key = valueOf(read, KEY_HEADER);
  const apiKey = taken.saladKey ? valueOf(read, SALAD_KEY_HEADER) : undefined;
  const token = taken.saladToken ? bearerOf(read) : undefined;
  const given = Object.entries({ [KEY_HEADER]: key, [SALAD_KEY_HEADER]: apiKey, [TOKEN_HEADER]: token });
  const names = given.flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (names.length > 1) {
    throw new InvalidInputError([
      { path: [], message: `Expected credentials of one kind, got ${names.join(' and ')}: send one of them` },
    ]);
  }
  if (key !== undefined) return { kind: 'key', key };
  if (token !== undefined) return { kind: 'saladToken', token, project: nameIn(read, PROJECT_HEADER) };
  if (apiKey === undefined) throw new UnauthenticatedError(`Expected ${expected(taken)}, got none`);
  const organization = nameIn(read, ORGANIZATION_HEADER);
  return { kind: 'saladKey', apiKey, organization, project: nameIn(read, PROJECT_HEADER) };
}

/** A `connectionParams` as headers are read. Only texts count. */
export function readerOf(parameters: Readonly<Record<string, unknown>> | undefined): ReadHeader {
  return (name) => {
    const wanted = name.toLowerCase();
    const found = Object.entries(parameters ?? {}).find(([given]) => given.toLowerCase() === wanted)?.[1];
    return typeof found === 'string' ? found : undefined;
  };
}

/** Whether there are credentials of any kind, good or bad, of those that this server takes or not. */
export function hasCredentials(parameters: Readonly<Record<string, unknown>> | undefined): boolean {
  const names = [KEY_HEADER, SALAD_KEY_HEADER, TOKEN_HEADER].map((name) => name.toLowerCase());
  return Object.keys(parameters ?? {}).some((name) => names.includes(name.toLowerCase()));
}

function valueOf(read: ReadHeader, header: string): string | undefined {
  const value = read(header) ?? '';
  return value === '' ? undefined : value;
}

/** Another scheme is somebody else's: a proxy before this server may have its own password. */
function bearerOf(read: ReadHeader): string | undefined {
  return /^Bearer +(\S+)$/i.exec(read(TOKEN_HEADER) ?? '')?.[1];
}

function nameIn(read: ReadHeader, header: string): string {
  const value = valueOf(read, header);
  if (value === undefined)
    throw new UnauthenticatedError(`Expected the header ${header} beside the credentials, got none`);
  const result = saladName.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidInputError(result.error.issues.map(({ message }) => ({ path: [header], message })));
}

function expected(taken: Taken): string {
  return [
    `an API key in the header ${KEY_HEADER}`,
    ...(taken.saladKey ? [`${SALAD_KEY_HEADER} with ${ORGANIZATION_HEADER} and ${PROJECT_HEADER}`] : []),
    ...(taken.saladToken ? [`a token in "${TOKEN_HEADER}: Bearer" with ${PROJECT_HEADER}`] : []),
  ].join(', or ');
}
