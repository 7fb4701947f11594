import { Spine } from './migrations/0001-spine.ts';
import { LeasesInTime } from './migrations/0002-leases-in-time.ts';
import { SyncSeen } from './migrations/0003-sync-seen.ts';
import { ScalingRules } from './migrations/0004-scaling-rules.ts';
import { Organizations } from './migrations/0005-organizations.ts';
import { EventPositions } from './migrations/0006-event-positions.ts';
import { JobLogs } from './migrations/0007-job-logs.ts';
import { ConnectionsInOrder } from './migrations/0008-connections-in-order.ts';
import { Fleet } from './migrations/0009-fleet.ts';
import { AuditAndMasterKeys } from './migrations/0010-audit-and-master-keys.ts';
import { Retention } from './migrations/0011-retention.ts';
import { WebhooksThatArrive } from './migrations/0012-webhooks-that-arrive.ts';
import { Scaling } from './migrations/0013-scaling.ts';
import { TransfersTold } from './migrations/0014-transfers-told.ts';
import { OneRulePerGroup } from './migrations/0015-one-rule-per-group.ts';
import { Doors } from './migrations/0016-doors.ts';
import { ClaimsPlannedOnce } from './migrations/0017-claims-planned-once.ts';
import { Traces } from './migrations/0018-traces.ts';
import { AttemptsThatCameBack } from './migrations/0019-attempts-that-came-back.ts';
import { QueuesRemembered } from './migrations/0022-queues-remembered.ts';
import { AnswersBlanked } from './migrations/0024-answers-blanked.ts';

/**
 * In the order in which they run, each in a transaction of its own. Append-only: a migration that has been released is never edited.
 *
 * They run while servers serve. So one that alters a table that everybody uses alters that one alone, as whoever holds one and waits for
 * another deadlocks with those who take them the other way round. `migrate` lets each wait for two seconds at a time, because whoever comes
 * after a waiting one waits too, and tries again. One that gives a column another type has the plans that connections keep (`kept-plans.ts`)
 * refused, where they return it: each connection fails one heartbeat and is replaced, so better add a column and leave the old one.
 */
export const migrations = [
  { name: '0001-spine', class: Spine },
  { name: '0002-leases-in-time', class: LeasesInTime },
  { name: '0003-sync-seen', class: SyncSeen },
  { name: '0004-scaling-rules', class: ScalingRules },
  { name: '0005-organizations', class: Organizations },
  { name: '0006-event-positions', class: EventPositions },
  { name: '0007-job-logs', class: JobLogs },
  { name: '0008-connections-in-order', class: ConnectionsInOrder },
  { name: '0009-fleet', class: Fleet },
  { name: '0010-audit-and-master-keys', class: AuditAndMasterKeys },
  { name: '0011-retention', class: Retention },
  { name: '0012-webhooks-that-arrive', class: WebhooksThatArrive },
  { name: '0013-scaling', class: Scaling },
  { name: '0014-transfers-told', class: TransfersTold },
  { name: '0015-one-rule-per-group', class: OneRulePerGroup },
  { name: '0016-doors', class: Doors },
  { name: '0017-claims-planned-once', class: ClaimsPlannedOnce },
  { name: '0018-traces', class: Traces },
  { name: '0019-attempts-that-came-back', class: AttemptsThatCameBack },
  { name: '0022-queues-remembered', class: QueuesRemembered },
  { name: '0024-answers-blanked', class: AnswersBlanked },
];
