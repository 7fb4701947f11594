import { createHash } from 'node:crypto';
import { authenticate, may, type Viewer } from '../core/accounts/keys.ts';
import { viewerOfOrganization } from '../core/accounts/organizations.ts';
import type { Core } from '../core/core.ts';
import { ForbiddenError, RateLimitedError } from '../core/errors.ts';
import { boundedMap } from '../lib/bounded-map.ts';
import { createSlots } from '../lib/slots.ts';
import { presentedIn, type Presented, type ReadHeader } from './credentials.ts';
import { createLeaseNames, type Report } from './own-leases.ts';
import type { Rates, SocketSigns } from './rate.ts';
import type { KindOfOperation } from './report-lease.ts';
import type { ProjectCheck } from './salad/project.ts';
import type { TokenCheck } from './salad/token.ts';

/** Somebody who was let in. */
export interface Admission {
  viewer: Viewer;
  /** Names the credentials for counting, without telling them. */
  credential: string;
  /** When the credentials are over, in milliseconds since 1970; undefined where they do not say. */
  expiresAt?: number;
}

/** Salad may take its yes to a key back, and tells nobody: what stays open asks anew after so long (milliseconds). */
const SALAD_KEY_GOOD_FOR_MS = 15 * 60_000;

/** What every request and every socket passes first. */
export interface Door {
  /**
   * Who asks, by the credentials that were presented (`presentedIn`). For a socket: what comes over it later is counted by `countOn`.
   * @param address where the request comes from, for counting refusals; undefined where that is not known
   * @throws UnauthenticatedError without credentials
   * @throws ForbiddenError with such as are unknown, revoked or expired
   * @throws InvalidInputError with several, or with names that are none
   * @throws RateLimitedError when they are bad, and too many from there were, or when they are nobody's so far and Salad would have to be
   *   asked about one more from there
   * @throws UnavailableError when nobody could say
   */
  admit(read: ReadHeader, address: string | undefined): Promise<Admission>;
  /**
   * Counts an operation that came over a socket of somebody who was let in. It asks the database nothing.
   * @throws RateLimitedError when there were too many with these credentials, over sockets or not, or of one lease
   */
  countOn(who: Who, said: SaidOnSocket): Promise<void>;
  /** The same for one request, which is counted: also a RateLimitedError when there were too many with these credentials. */
  admitCounted(read: ReadHeader, address: string | undefined): Promise<Admission>;
  /**
   * The same, of one who asks once and needs no more than to be known.
   * @param report names who holds which job, where the request keeps that job, or tells how it ended: such are counted apart, where there
   *   is such a lease
   */
  viewerOf(read: ReadHeader, address: string | undefined, report?: Report): Promise<Viewer>;
  /** The same, where it is not known yet what the request is about: whoever finds that out counts it. */
  callerOf(read: ReadHeader, address: string | undefined): Promise<Caller>;
}

type Who = Pick<Admission, 'viewer' | 'credential'>;

export interface SaidOnSocket {
  kind: KindOfOperation;
  /** The attempt that it keeps, or tells something of. */
  lease: { jobId: string; attempt: number } | undefined;
  /** What the socket has said of leases. */
  signs: SocketSigns;
}

/** Somebody who was let in and whose request is not counted yet. */
export interface Caller {
  viewer: Viewer;
  /** What it will be refused with when it is counted, unless it keeps a job or tells how it ended: there is no use in reading much of it. */
  refusal(): Promise<RateLimitedError | undefined>;
  /** @throws RateLimitedError */
  count(report: Report): Promise<void>;
}

/** Whom this server believes besides its own keys; what is absent is off. */
export interface SaladChecks {
  project?: ProjectCheck | undefined;
  token?: TokenCheck | undefined;
}

/** Keys that were good here are remembered, so many, by their hash: they are looked up at once whatever else comes from there. */
const MAX_GOOD = 10_000;
/** Others that come from where too many were refused are looked up so many at a time: they take the database from nobody. */
const SUSPECTS_AT_ONCE = 2;
/** And wait for that so long, in milliseconds. */
const SUSPECT_PATIENCE_MS = 5_000;

/** Without `rates` nothing is bounded. */
export function createDoor(parts: { core: Core; salad?: SaladChecks | undefined; rates?: Rates | undefined }): Door {
  const { core, salad = {}, rates } = parts;
  const admissionOf = createAdmissions({ core, salad, rates });
  const nameOf = createLeaseNames(core);
  const count = async ({ viewer, credential }: Who, report: Report | undefined): Promise<void> => {
    if (rates?.countsRequests !== true) return;
    await rates.count(credential, report && (await nameOf({ viewer, credential }, report)));
  };
  const countOn: Door['countOn'] = async ({ viewer, credential }, { kind, lease, signs }) => {
    if (rates?.countsRequests !== true) return;
    if (kind === 'FOLLOWS') await rates.countFollower(credential);
    else if (kind === 'OTHER' || !may(viewer, 'work')) await rates.count(credential);
    else if (lease === undefined || !signs.count(`${lease.jobId} ${lease.attempt}`))
      await rates.countAgents(credential);
  };

  const admit: Door['admit'] = async (read, address) => {
    const presented = presentedIn(read, {
      saladKey: salad.project !== undefined,
      saladToken: salad.token !== undefined,
    });
    try {
      return await admissionOf(presented, address);
    } catch (error) {
      if (error instanceof ForbiddenError && address !== undefined) await rates?.refused(address);
      throw error;
    }
  };

  const admitCounted = async (read: ReadHeader, address: string | undefined, report?: Report): Promise<Admission> => {
    const admission = await admit(read, address);
    await count(admission, report);
    return admission;
  };

  return {
    admit,
    countOn,
    admitCounted: (read, address) => admitCounted(read, address),
    viewerOf: async (read, address, report) => (await admitCounted(read, address, report)).viewer,
    callerOf: async (read, address) => {
      const admission = await admit(read, address);
      return {
        viewer: admission.viewer,
        refusal: async () => rates?.refusalOf(admission.credential),
        count: (report) => count(admission, report),
      };
    },
  };
}

/** Lets in whom the credentials name; those that were good here before are not kept waiting for others from the same address. */
function createAdmissions(parts: { core: Core; salad: SaladChecks; rates: Rates | undefined }) {
  const { core, salad, rates } = parts;
  const good = boundedMap<true>(MAX_GOOD);
  const suspects = createSlots(SUSPECTS_AT_ONCE);

  const inTurn = async <T>(look: () => Promise<T>): Promise<T> => {
    const patience = AbortSignal.timeout(SUSPECT_PATIENCE_MS);
    const giveBack = await suspects.take(patience).catch(() => {
      throw new RateLimitedError(
        'Expected few refused keys from one address, got too many to look at this one. Wait, and ask again.',
        1,
      );
    });
    return look().finally(giveBack);
  };

  return async (presented: Presented, address: string | undefined): Promise<Admission> => {
    switch (presented.kind) {
      case 'key': {
        const hash = createHash('sha256').update(presented.key).digest('base64');
        const isSuspect =
          address !== undefined && good.get(hash) === undefined && (await rates?.isOver(address)) === true;
        const look = () => ownKey(core, presented.key);
        const admission = await (isSuspect ? inTurn(look) : look());
        good.set(hash, true);
        return admission;
      }
      case 'saladKey': {
        const hash = hashOf(presented);
        // Whoever makes keys up would have us ask Salad for each.
        if (address !== undefined && good.get(hash) === undefined) await rates?.admit(address);
        const admission = await saladKey(core, salad.project, presented);
        good.set(hash, true);
        return admission;
      }
      case 'saladToken':
        return saladToken(core, salad.token, presented);
    }
  };
}

async function ownKey(core: Core, key: string): Promise<Admission> {
  const viewer = await authenticate(core, key);
  if (viewer === undefined) throw new ForbiddenError('The API key in X-Kelpie-Key is unknown, revoked or expired');
  return { viewer, credential: `key ${viewer.keyId}` };
}

async function saladKey(
  core: Core,
  project: SaladChecks['project'],
  presented: Extract<Presented, { kind: 'saladKey' }>,
): Promise<Admission> {
  if (!(await project?.allows(presented))) {
    throw new ForbiddenError(
      'Salad does not know this Salad-Api-Key, or it may not act for this organization and project',
    );
  }
  const viewer = await viewerOfOrganization(core, { name: presented.organization }, { role: 'OWNER' });
  const hash = createHash('sha256').update(presented.apiKey).digest('base64');
  const until = Date.now() + SALAD_KEY_GOOD_FOR_MS;
  return {
    viewer: { ...viewer, project: presented.project, until },
    credential: `salad key ${viewer.accountId} ${hash}`,
  };
}

/** Of the key and where it is to be used. As JSON, because its parts can't run into each other then. */
function hashOf({ apiKey, organization, project }: Extract<Presented, { kind: 'saladKey' }>): string {
  return createHash('sha256')
    .update(JSON.stringify([organization, project, apiKey]))
    .digest('base64');
}

async function saladToken(
  core: Core,
  tokens: SaladChecks['token'],
  presented: Extract<Presented, { kind: 'saladToken' }>,
): Promise<Admission> {
  const instance = await tokens?.verify(presented.token);
  if (instance === undefined) throw new ForbiddenError('This server takes no tokens of Salad');
  const { organization, organizationId, machineId, containerGroupId, expiresAt } = instance;
  const viewer = await viewerOfOrganization(
    core,
    { name: organization, id: organizationId },
    { role: 'AGENT', bound: { machineId, containerGroupId } },
  );
  // A machine has a new token every now and then: what counts is the machine.
  const credential = `salad token ${JSON.stringify([viewer.accountId, machineId, containerGroupId])}`;
  return { viewer: { ...viewer, until: expiresAt }, credential, expiresAt };
}
