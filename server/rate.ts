import { RateLimiterMemory } from 'rate-limiter-flexible';
import { RateLimitedError } from '../core/errors.ts';
import { boundedMap } from '../lib/bounded-map.ts';

/** 0 is no bound. */
export interface RateLimits {
  /** Requests a second with one key, on the average over five seconds. */
  perKey: number;
  /** Refused keys a second from one address. */
  refusalsPerAddress: number;
}

/** How often may be asked of this server. Other servers count for themselves. */
export interface Rates {
  /** Whether requests are counted at all. */
  readonly countsRequests: boolean;
  /**
   * Counts a request.
   * @param credential names the key, without telling it
   * @param lease of a request that keeps a job, or tells how it ended: such are counted for who holds which job, as what others ask with
   *   the same key must cost nobody a lease
   * @throws RateLimitedError
   */
  count(credential: string, lease?: string): Promise<void>;
  /** What the next request with these credentials is refused with, unless it keeps a job; undefined where it is not. Counts nothing. */
  refusalOf(credential: string): Promise<RateLimitedError | undefined>;
  /**
   * Counts what agents say over their sockets that is not counted for a lease: that they are there, that they want work. A whole fleet says so at
   * once when its server goes, so it is many times as much, and apart from what people ask with the same key.
   * @throws RateLimitedError
   */
  countAgents(credential: string): Promise<void>;
  /**
   * Counts a subscription on a socket. All who follow something come back at once, too, and each socket has a bound of how many it may have.
   * @throws RateLimitedError
   */
  countFollower(credential: string): Promise<void>;
  /**
   * Counts a refused key.
   * @throws RateLimitedError, to be told instead, when too many from there were refused. Good keys from there pass: machines share addresses
   */
  refused(address: string): Promise<void>;
  /** Whether too many keys from there were refused. */
  isOver(address: string): Promise<boolean>;
  /** @throws RateLimitedError when too many keys from there were refused: before somebody else is asked about the next one */
  admit(address: string): Promise<void>;
}

/** A second's requests five times over may come at once: a start of many workers, a script that submits. */
const BURST_SECONDS = 5;
/** A job's heart beats once a second at most, and more often only while nobody answers. */
const PER_LEASE = 10;
const MOST_SIGNS = PER_LEASE * BURST_SECONDS;
const TOO_MANY_SIGNS = `Expected at most ${MOST_SIGNS} heartbeats and reports in ${BURST_SECONDS} s from who holds one job, got more. Send a heartbeat every heartbeat_interval seconds.`;
/** So many leases of one socket are counted for themselves at a time: its agent holds one, and may have more to tell of those before. */
const LEASES_OF_SOCKET = 4;
/** As often as others ask with a key, what comes back at once when a server goes may come so many times as often. */
const CROWD_TIMES = 10;
/** Keys, leases and addresses that are counted at a time; above that, what was counted longest ago is forgotten. */
const MAX_COUNTED = 10_000;

export function createRates({ perKey, refusalsPerAddress }: RateLimits): Rates {
  const requests = createCounter(perKey * BURST_SECONDS, BURST_SECONDS);
  const signs = createCounter(MOST_SIGNS, BURST_SECONDS);
  const agents = createCounter(perKey * CROWD_TIMES * BURST_SECONDS, BURST_SECONDS);
  const followers = createCounter(perKey * CROWD_TIMES * BURST_SECONDS, BURST_SECONDS);
  const refusals = createCounter(refusalsPerAddress, 1);
  const tooMany = `Expected at most ${perKey * BURST_SECONDS} requests in ${BURST_SECONDS} s with one key (KELPIE_RATE_PER_KEY=${perKey} a second), got more. Ask less often, or in batches.`;
  const tooManyOfAgents = `Expected at most ${agents.max} registrations, claims and other words of agents in ${BURST_SECONDS} s over sockets with one key (${CROWD_TIMES} times KELPIE_RATE_PER_KEY=${perKey} a second), got more. Give the fleet several keys.`;
  const tooManyFollowers = `Expected at most ${followers.max} subscriptions in ${BURST_SECONDS} s over sockets with one key (${CROWD_TIMES} times KELPIE_RATE_PER_KEY=${perKey} a second), got more. Follow many jobs with one subscription.`;
  const tooManyRefused = `Expected at most ${refusalsPerAddress} refused keys a second from one address (KELPIE_REFUSALS_PER_ADDRESS), got more. Wait, and check the key.`;
  return {
    countsRequests: perKey > 0,
    async count(credential, lease) {
      if (perKey === 0) return;
      if (lease === undefined) deny(await requests.add(credential), requests.max, tooMany);
      else deny(await signs.add(`${credential} ${lease}`), signs.max, TOO_MANY_SIGNS);
    },
    async countAgents(credential) {
      if (perKey > 0) deny(await agents.add(credential), agents.max, tooManyOfAgents);
    },
    async countFollower(credential) {
      if (perKey > 0) deny(await followers.add(credential), followers.max, tooManyFollowers);
    },
    async refusalOf(credential) {
      // One that has reached the bound goes above it with the next.
      return perKey === 0 ? undefined : denial(await requests.look(credential), requests.max - 1, tooMany);
    },
    async refused(address) {
      if (refusalsPerAddress > 0) deny(await refusals.add(address), refusals.max, tooManyRefused);
    },
    async isOver(address) {
      if (refusalsPerAddress === 0) return false;
      const counted = await refusals.look(address);
      return counted !== null && counted.msBeforeNext > 0 && counted.consumedPoints >= refusals.max;
    },
    async admit(address) {
      // One that has reached the bound would go above it with the next.
      if (refusalsPerAddress > 0) deny(await refusals.look(address), refusals.max - 1, tooManyRefused);
    },
  };
}

/** What is said over one socket of the leases that it names. It goes with the socket. */
export interface SocketSigns {
  /**
   * Counts a heartbeat or a report. Whether there is such a lease is not asked: what a socket may say of leases is bounded by few names of its own,
   * so a fleet that comes back to another server waits for no look at any of its leases.
   * @returns false, and counts nothing, where other leases are counted on it already
   * @throws RateLimitedError
   */
  count(lease: string): boolean;
}

export function createSocketSigns(): SocketSigns {
  return new CountedSigns();
}

/** A class, as each of thousands of sockets has one, of which few ever hold a lease. */
class CountedSigns implements SocketSigns {
  #windows?: Map<string, { count: number; until: number }>;

  count(lease: string): boolean {
    const now = performance.now();
    const window = this.#windowOf(lease, now);
    if (window === undefined) return false;
    window.count += 1;
    deny({ consumedPoints: window.count, msBeforeNext: window.until - now }, MOST_SIGNS, TOO_MANY_SIGNS);
    return true;
  }

  #windowOf(lease: string, now: number) {
    const windows = (this.#windows ??= new Map());
    for (const [name, { until }] of windows) if (until <= now) windows.delete(name);
    if (!windows.has(lease) && windows.size >= LEASES_OF_SOCKET) return undefined;
    const window = windows.get(lease) ?? { count: 0, until: now + BURST_SECONDS * 1_000 };
    windows.set(lease, window);
    return window;
  }
}

interface Counted {
  consumedPoints: number;
  msBeforeNext: number;
}

/** @throws RateLimitedError until the window in which was counted is over */
function deny(counted: Counted | null, max: number, message: string): void {
  const denied = denial(counted, max, message);
  if (denied !== undefined) throw denied;
}

function denial(counted: Counted | null, max: number, message: string): RateLimitedError | undefined {
  if (counted === null || counted.msBeforeNext <= 0 || counted.consumedPoints <= max) return undefined;
  return new RateLimitedError(message, Math.max(1, Math.ceil(counted.msBeforeNext / 1_000)));
}

/** Counts per name in windows of `seconds`, which begin with a name's first count. */
function createCounter(max: number, seconds: number) {
  const limiter = new RateLimiterMemory({ points: max, duration: seconds });
  // The library keeps every name until its window is over, however many there are.
  const names = boundedMap<true>(MAX_COUNTED, (name) => void limiter.delete(name));
  return {
    max,
    async add(name: string): Promise<Counted> {
      names.set(name, true);
      return limiter.penalty(name);
    },
    look: (name: string): Promise<Counted | null> => limiter.get(name),
  };
}
