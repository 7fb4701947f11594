import { untilAborted } from './sync/parallel.ts';

/** What this agent shows a server to say who it is: names and values of headers, secrets all of them. */
export interface Credentials {
  /** For a request. Rejects when there are none to be had, or `signal` is aborted. */
  forRequest(signal: AbortSignal): Promise<Record<string, string>>;
  /** For a connection that is about to be made, which may last: the newest there are. Rejects likewise. */
  forConnection(signal: AbortSignal): Promise<Record<string, string>>;
  /** A server did not believe them. */
  refused(): void;
}

/** A key of the server's own. */
export function keyCredentials(key: string): Credentials {
  const headers = async () => ({ 'X-Kelpie-Key': key });
  return { forRequest: headers, forConnection: headers, refused: () => undefined };
}

/** A token is not shown any more for the last fifth of its life, or its last minute where that is less. */
const MARGIN_MS = 60_000;
const MARGIN_SHARE = 1 / 5;
/** A token that does not say when it ends, or is over by this machine's clock when it comes, is taken for good for so long. */
const UNDATED_MS = 30_000;

export interface TokenSource {
  /** Fetches a token. Answers or rejects within seconds by itself. */
  fetchToken: () => Promise<string>;
  /** The project of Salad's that the token is used for. */
  project: string;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** Tokens of Salad's instance metadata service. One serves until shortly before its end, or until it is refused. */
export function tokenCredentials({ fetchToken, project, now = Date.now }: TokenSource): Credentials {
  let held: { jwt: string; showUntil: number; endsAt: number } | undefined;
  let fetching: Promise<string> | undefined;

  /** Many who need one at once wait for the same. */
  async function fetched(signal: AbortSignal): Promise<string> {
    const answer = (fetching ??= fetchAnew().finally(() => (fetching = undefined)));
    await untilAborted(answer, signal);
    return answer;
  }

  async function fetchAnew(): Promise<string> {
    const jwt = await fetchToken();
    const said = endOf(jwt) ?? -Infinity;
    const endsAt = said > now() ? said : now() + UNDATED_MS;
    const left = endsAt - now();
    held = { jwt, endsAt, showUntil: endsAt - Math.min(MARGIN_MS, left * MARGIN_SHARE) };
    return jwt;
  }

  const shown = (jwt: string) => ({ Authorization: `Bearer ${jwt}`, 'Salad-Project': project });
  return {
    async forRequest(signal) {
      return shown(held !== undefined && now() < held.showUntil ? held.jwt : await fetched(signal));
    },
    async forConnection(signal) {
      try {
        return shown(await fetched(signal));
      } catch (error) {
        if (signal.aborted || held === undefined || now() >= held.endsAt) throw error;
        return shown(held.jwt);
      }
    },
    refused: () => void (held = undefined),
  };
}

/** When a token ends, in milliseconds since 1970, as it says itself: whether that is true is the server's to judge. */
function endOf(jwt: string): number | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null || !('exp' in claims)) return undefined;
    return typeof claims.exp === 'number' && Number.isFinite(claims.exp) ? claims.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
