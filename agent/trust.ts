/**
 * How long an agent may believe that it has its lease, from nothing but questions that the server has answered. Everything
 * here is pure; times are milliseconds of the agent's own clock, which never goes back.
 *
 * An answer proves something of the moment in which its question was SENT: the server said so then or later, however long
 * the answer was on its way. What has merely arrived proves nothing: it may have waited in the network, or in this machine
 * while it was frozen.
 */

/** What one attempt can prove. */
export interface Proof {
  /** When the newest heartbeat that was acknowledged was sent (or the claim): the lease was whole then, or later. */
  renewedAt: number;
  /** How long it lasts from there, unless the end of a connection shortens it. */
  leaseMillis: number;
  /** No connection had ended before this moment, as far as the server was aware, without the lease having been renewed since. */
  heardAt: number;
  /** The agent was frozen until then: what was sent earlier is not believed. */
  notBefore: number;
}

/** What an agent can prove of its connection. */
export interface Presence {
  /** Whether a server may watch this agent by a connection, whose end shortens the agent's leases. */
  isWatched: boolean;
  /** Since when the present connection is, for sure, the one that is watched; undefined while that is not known of any. */
  since: number | undefined;
  /** When the newest ping that was answered on it was sent. */
  answeredAt: number;
}

/** A server that watches a connection gives so long to come back when it ends (milliseconds). */
export type GraceMillis = number;

/** What is held back of a lease and of a grace: for clocks that differ, and for a request on its way to the storage. */
const LEASE_MARGIN_MS = 2000;
const GRACE_MARGIN_MS = 1000;
/** Of a short span at most so much is held back. */
const LARGEST_MARGIN = 1 / 4;

/** The proof that a claim is. `sentAt` is when it was first sent: repeated, it does not renew the lease. */
export function proofOfClaim({ sentAt, leaseMillis }: { sentAt: number; leaseMillis: number }): Proof {
  return { renewedAt: sentAt, leaseMillis, heardAt: sentAt, notBefore: -Infinity };
}

/** An acknowledged heartbeat: whatever had shortened the lease before, it is whole. */
export function renewed(proof: Proof, { sentAt, leaseMillis }: { sentAt: number; leaseMillis: number }): Proof {
  if (sentAt < Math.max(proof.notBefore, proof.renewedAt)) return proof;
  return { ...proof, renewedAt: sentAt, leaseMillis, heardAt: Math.max(proof.heardAt, sentAt) };
}

/**
 * A ping that was answered: the watched connection had not ended when it was sent. It says nothing of the connection before
 * it, whose end the server may have noticed late: so a heartbeat must have been sent since the present one is watched.
 */
export function heard(proof: Proof, { since, answeredAt }: Presence): Proof {
  if (since === undefined || proof.renewedAt < since || answeredAt < proof.notBefore) return proof;
  return { ...proof, heardAt: Math.max(proof.heardAt, answeredAt) };
}

/** The agent was frozen until `now`: it has to ask before it believes anything. */
export function afterFreeze(proof: Proof, now: number): Proof {
  return { ...proof, renewedAt: -Infinity, heardAt: -Infinity, notBefore: now };
}

/** The moment from which on the job may be another's: until then, this attempt may write to storage. */
export function trustedUntil(proof: Proof, { isWatched }: Presence, graceMillis: GraceMillis): number {
  const leaseOver = proof.renewedAt + less(proof.leaseMillis, LEASE_MARGIN_MS);
  return isWatched ? Math.min(leaseOver, proof.heardAt + less(graceMillis, GRACE_MARGIN_MS)) : leaseOver;
}

function less(span: number, margin: number): number {
  return span - Math.min(margin, span * LARGEST_MARGIN);
}
