import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import { z } from 'zod';
import { Account } from '../../db/entities/account.ts';
import { ApiKey } from '../../db/entities/api-key.ts';
import { ScalingRule } from '../../db/entities/scaling-rule.ts';
import { databaseNow, type EntityManager } from '../../db/orm.ts';
import { recordAudit } from '../accounts/audit.ts';
import { lockAccount } from '../accounts/find.ts';
import { demand, demandAdmin, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { ConflictError, InvalidInputError, NotFoundError, RateLimitedError, UnavailableError } from '../errors.ts';
import { containerGroupId } from '../jobs/fields.ts';
import { type Group, GroupNotFound, identityOf, inTime } from './provider.ts';

/** The fields of a rule, each with its bound, for both faces of the API. */
export const ruleFields = {
  containerGroupId,
  minReplicas: z.int().min(0).max(500),
  maxReplicas: z.int().min(0).max(500),
  /** Seconds. */
  idleThresholdSeconds: z.int().min(0).max(3_600),
};

/** What a rule says where its owner says nothing. */
export const RULE_DEFAULTS = { minReplicas: 0, maxReplicas: 100, idleThresholdSeconds: 300 } as const;

/** An account has at most so many rules: their list is never cut into pages. */
export const MAX_RULES = 1_000;

/** What a rule says. */
export interface RuleTerms {
  minReplicas: number;
  maxReplicas: number;
  idleThresholdSeconds: number;
}

/**
 * A rule for a container group that has none. It belongs to the organization and project of the credentials.
 * @throws InvalidInputError when the minimum is above the maximum, or the provider does not know the group
 * @throws UnavailableError when the provider could not be asked
 * @throws RateLimitedError when it was asked too often for this account
 * @throws ConflictError when the group has a rule, be it another account's that may scale it too, or the account has 1,000
 */
export async function createScalingRule(
  core: Core,
  viewer: Viewer,
  groupId: string,
  terms: RuleTerms,
): Promise<ScalingRule> {
  demand(viewer, 'manage');
  demandRange(terms);
  const owner = await ownerOf(core.em.fork(), viewer);
  // Before the transaction: nobody waits for a row while a provider is asked.
  const group = await findGroup(core, groupId, owner);
  const make = async (em: EntityManager): Promise<ScalingRule> => {
    await lockAccount(em, viewer.accountId);
    await demandRoom(em, viewer, groupId);
    const created = em.create(ScalingRule, { ...owner, containerGroupId: groupId, ...group, ...terms });
    await em.flush();
    await writeDown(em, viewer, 'RULE_CREATED', created);
    // What the database fills in, and what is null, is not in what was just made.
    await em.refresh(created);
    return created;
  };
  try {
    return await transact(core, make);
  } catch (error) {
    // The account is held, so what is not unique is the group itself.
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw new ConflictError(`Another scaling rule acts on container group ${groupId}: a group is scaled by one`);
  }
}

/** All rules of the viewer's account, by group. */
export async function listScalingRules(core: Core, viewer: Viewer): Promise<ScalingRule[]> {
  demand(viewer, 'read');
  return core.em
    .fork()
    .find(ScalingRule, { accountId: viewer.accountId }, { orderBy: { containerGroupId: 'asc' }, limit: MAX_RULES });
}

/**
 * The rule of one container group.
 * @throws NotFoundError also for another account's rule
 */
export async function findScalingRule(core: Core, viewer: Viewer, groupId: string): Promise<ScalingRule> {
  demand(viewer, 'read');
  return find(core.em.fork(), viewer, groupId);
}

/**
 * Changes what is given of a rule; the rest stays.
 * @throws NotFoundError
 * @throws InvalidInputError when the minimum would be above the maximum
 */
export async function updateScalingRule(
  core: Core,
  viewer: Viewer,
  groupId: string,
  changes: { [term in keyof RuleTerms]?: number | undefined },
): Promise<ScalingRule> {
  demand(viewer, 'manage');
  return transact(core, async (em) => {
    const found = await find(em, viewer, groupId, LockMode.PESSIMISTIC_WRITE);
    found.minReplicas = changes.minReplicas ?? found.minReplicas;
    found.maxReplicas = changes.maxReplicas ?? found.maxReplicas;
    found.idleThresholdSeconds = changes.idleThresholdSeconds ?? found.idleThresholdSeconds;
    demandRange(found);
    // What its provider said of it before is no reason to wait.
    found.updatedAt = found.nextActionAt = await databaseNow(em);
    found.failures = 0;
    found.orphanedAt = null;
    await writeDown(em, viewer, 'RULE_UPDATED', found);
    return found;
  });
}

/** @throws NotFoundError */
export async function deleteScalingRule(core: Core, viewer: Viewer, groupId: string): Promise<ScalingRule> {
  demand(viewer, 'manage');
  return transact(core, async (em) => {
    const found = await find(em, viewer, groupId, LockMode.PESSIMISTIC_WRITE);
    em.remove(found);
    await writeDown(em, viewer, 'RULE_DELETED', found);
    return found;
  });
}

/**
 * Removes the rules of every account. For the admin.
 * @returns how many there were
 */
export async function clearScalingRules(core: Core, viewer: Viewer): Promise<number> {
  demandAdmin(viewer);
  const { accountId, keyId } = viewer;
  return transact(core, async (em) => {
    const count = await em.nativeDelete(ScalingRule, {});
    await recordAudit(em, { accountId, keyId, action: 'RULES_CLEARED', data: { count } });
    return count;
  });
}

/** The organization and project of Salad's credentials, or of the key; where that names none, the organization of the account. */
async function ownerOf(em: EntityManager, { accountId, keyId, project }: Viewer) {
  const { organization } = await em.findOneOrFail(Account, { id: accountId });
  if (project !== undefined) return { accountId, orgName: organization, projectName: project };
  const key = await em.findOne(ApiKey, { id: keyId });
  return { accountId, orgName: key?.orgName ?? organization, projectName: key?.projectName ?? null };
}

/** How long a provider may take to tell whether there is a group, in milliseconds. */
const PROVIDER_MS = 10_000;

/** The group as its provider knows it; nothing is known without one. */
async function findGroup(
  { provider, groupChecks }: Core,
  containerGroupId: string,
  owner: { accountId: string; orgName: string | null; projectName: string | null },
): Promise<{ groupName: string | null; groupIdentity: string | null }> {
  if (provider === undefined || groupChecks === undefined) return { groupName: null, groupIdentity: null };
  const { accountId, orgName: organization, projectName: project } = owner;
  const ref = { accountId, containerGroupId, organization, project };
  try {
    const group: Group = await inTime(AbortSignal.timeout(PROVIDER_MS), (signal) => groupChecks.find(ref, signal));
    return { groupName: group.name, groupIdentity: identityOf(provider, group) };
  } catch (error) {
    if (error instanceof RateLimitedError) throw error;
    if (error instanceof GroupNotFound) throw new InvalidInputError([{ path: [], message: error.message }]);
    throw new UnavailableError(
      `Whether there is a container group ${containerGroupId} could not be found out: ask again`,
    );
  }
}

/** Named by neither field, because either may be the wrong one. */
function demandRange({ minReplicas, maxReplicas }: RuleTerms): void {
  if (minReplicas <= maxReplicas) return;
  const message = `Expected the least number of replicas to be at most the greatest, got ${minReplicas} and ${maxReplicas}`;
  throw new InvalidInputError([{ path: [], message }]);
}

async function demandRoom(em: EntityManager, { accountId }: Viewer, groupId: string): Promise<void> {
  if ((await em.count(ScalingRule, { accountId, containerGroupId: groupId })) > 0) {
    throw new ConflictError(
      `Container group ${groupId} has a scaling rule already: change that one, or delete it first`,
    );
  }
  if ((await em.count(ScalingRule, { accountId })) >= MAX_RULES) {
    throw new ConflictError(`An account has at most ${MAX_RULES} scaling rules: delete one first`);
  }
}

async function find(em: EntityManager, { accountId }: Viewer, groupId: string, lockMode = LockMode.NONE) {
  // An id that can't be stored can't be asked for either.
  const id = containerGroupId.safeParse(groupId);
  const rule = id.success
    ? await em.findOne(ScalingRule, { accountId, containerGroupId: id.data }, { lockMode })
    : null;
  if (rule) return rule;
  throw new NotFoundError(`There is no scaling rule of container group ${groupId} in this account: check the id`);
}

/** With what the rule says from then on. */
async function writeDown(
  em: EntityManager,
  { accountId, keyId }: Viewer,
  action: 'RULE_CREATED' | 'RULE_UPDATED' | 'RULE_DELETED',
  { containerGroupId: groupId, minReplicas, maxReplicas, idleThresholdSeconds }: ScalingRule,
): Promise<void> {
  const data = { containerGroupId: groupId, minReplicas, maxReplicas, idleThresholdSeconds };
  await recordAudit(em, { accountId, keyId, action, data });
}
