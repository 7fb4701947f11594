import { setGlobalProxyFromEnv } from 'node:http';

/** By the names under which every reader of such variables looks first; empty where nothing is named. */
export interface Proxies {
  http_proxy: string;
  https_proxy: string;
  no_proxy: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the environment names: lower case before upper case, `ALL_PROXY` where nothing else is named, and, as with curl, `http` where no
 * scheme stands; what is empty is not set. Throws where one is no http or https URL, without showing it: a password may be in it.
 */
export function proxiesIn(environment: Environment): Proxies {
  const named = (name: string) => environment[name] || environment[name.toUpperCase()] || '';
  const all = named('all_proxy');
  return {
    http_proxy: addressOf(named('http_proxy') || all),
    https_proxy: addressOf(named('https_proxy') || all),
    no_proxy: named('no_proxy'),
  };
}

/**
 * From here on `fetch` goes through them, and so does what connects by itself, here or in a thread begun later: it looks into the environment of
 * this process, which is to be given.
 */
export function useProxies(proxies: Proxies, environment: Record<string, string | undefined>): void {
  setGlobalProxyFromEnv({ ...proxies });
  Object.assign(environment, proxies);
}

function addressOf(named: string): string {
  if (named === '') return '';
  const url = URL.parse(named.includes('://') ? named : `http://${named}`);
  if (url === null || !/^https?:$/.test(url.protocol) || !areDecodable(url)) {
    throw new Error('HTTP_PROXY, HTTPS_PROXY, ALL_PROXY: expected http or https URLs, or nothing');
  }
  return url.href;
}

function areDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username);
    decodeURIComponent(password);
    return true;
  } catch {
    return false;
  }
}
