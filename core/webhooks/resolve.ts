import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { whenAborted } from '../../lib/pause.ts';
import type { Resolve } from './guard.ts';

const HOSTS_FILE = '/etc/hosts';
/** Of one question to one name server, in milliseconds, and how often it is asked. */
const TIMEOUT_MS = 3_000;
const TRIES = 2;

/**
 * A resolver for names that users choose: the hosts file, then DNS. Not `dns.lookup`: that takes one of the process's four threads
 * for as long as a user's name server pleases, and files and every other look-up wait for those threads. Search domains are not
 * tried: a name is whole.
 * @param servers `address:port`; those of the system
 */
export function createResolve({ servers }: { servers?: readonly string[] } = {}): Resolve {
  return async (hostname, signal) => {
    const known = await inHostsFile(hostname);
    if (known.length > 0) return known;
    // One for each name, because it can only be told to give up all at once.
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (servers !== undefined) resolver.setServers(servers);
    const done = new AbortController();
    if (signal !== undefined) void whenAborted(signal, done.signal).then(() => resolver.cancel());
    try {
      return await addressesOf(resolver, hostname);
    } finally {
      done.abort();
    }
  };
}

/** @throws the resolver's error for IPv4 when the name has no address of either kind */
async function addressesOf(resolver: Resolver, hostname: string): Promise<LookupAddress[]> {
  const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = [
    ...(four.status === 'fulfilled' ? four.value.map((address) => ({ address, family: 4 })) : []),
    ...(six.status === 'fulfilled' ? six.value.map((address) => ({ address, family: 6 })) : []),
  ];
  if (found.length === 0 && four.status === 'rejected') throw four.reason;
  return found;
}

async function inHostsFile(hostname: string): Promise<LookupAddress[]> {
  const text = await readFile(HOSTS_FILE, 'utf8').catch(() => '');
  const wanted = hostname.toLowerCase().replace(/\.$/, '');
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/))
    .flatMap(([address = '', ...names]) => (names.includes(wanted) ? [{ address, family: isIP(address) }] : []))
    .filter(({ family }) => family !== 0);
}
