import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A range of addresses that an operator allows although it is not public. */
export type AllowedRange = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/** All addresses of a name; rejects when there is none, or may when the signal is aborted. */
export type Resolve = (hostname: string, signal?: AbortSignal) => Promise<LookupAddress[]>;

/** A URL of a user's leads into this network, or to this machine. */
export class ForbiddenAddress extends Error {
  override name = 'ForbiddenAddress';
  constructor(hostname: string) {
    super(
      `Refused: ${hostname} is, or resolves to, an address that is not public. ` +
        'Use a public one, or have the operator of this server allow its range (KELPIE_WEBHOOK_ALLOW)',
    );
  }
}

/**
 * The addresses of a host that a user named, to which a connection may be made: the connection must go to one of these, and to
 * nothing that is resolved anew, as a name may resolve to something else every time (DNS rebinding).
 * @param hostname as a URL has it: there, addresses in disguise (decimal, octal, hexadecimal, shortened) are plain already
 * @throws ForbiddenAddress when any of them is not public; the resolver's own error when there is none
 */
export async function publicAddresses(
  hostname: string,
  { allowed, resolve, signal }: { allowed: readonly AllowedRange[]; resolve: Resolve; signal?: AbortSignal },
): Promise<LookupAddress[]> {
  const literal = hostname.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(literal);
  const addresses = family === 0 ? await resolve(hostname, signal) : [{ address: literal, family }];
  if (addresses.length === 0) throw new Error('no address');
  // One that is private is enough: who answers with both is up to something, or inside this network.
  if (addresses.some(({ address }) => !mayConnect(address, allowed))) throw new ForbiddenAddress(hostname);
  return addresses;
}

/** Whether a connection to this address may be made for a user. */
export function mayConnect(address: string, allowed: readonly AllowedRange[]): boolean {
  const [bare = ''] = address.split('%');
  if (!ipaddr.isValid(bare)) return false;
  const parsed = ipaddr.process(bare);
  return isPublic(parsed) || allowed.some((range) => contains(range, parsed));
}

/**
 * `10.0.0.0/8,fd00::/8` as ranges.
 * @throws Error that names what is no range
 */
export function parseRanges(text: string): AllowedRange[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      if (!ipaddr.isValidCIDR(part)) throw new Error(`expected ranges such as 10.0.0.0/8, got ${part}`);
      return ipaddr.parseCIDR(part);
    });
}

/** Where the whole world's addresses are; all other space of IPv6 is somebody's own, or unused. */
const GLOBAL_IPV6: AllowedRange = ipaddr.parseCIDR('2000::/3');
/** In public space, and still this machine's own host: Azure answers its guests there. */
const OF_THE_HOST = ['168.63.129.16'];

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  // `unicast` is what is left when every special range is taken away, those that carry IPv4 in IPv6 among them.
  if (address.range() !== 'unicast' || OF_THE_HOST.includes(address.toString())) return false;
  return address.kind() === 'ipv4' || contains(GLOBAL_IPV6, address);
}

function contains([network, bits]: AllowedRange, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}
