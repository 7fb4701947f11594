import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Job } from './job.ts';

/** This machine does not get this job again (rule 5). */
export const Ban = defineEntity({
  name: 'Ban',
  tableName: 'bans',
  indexes: [{ name: 'bans_machine_index', properties: ['accountId', 'machineId'] }],
  properties: {
    jobId: () => p.manyToOne(Job).mapToPk().primary().fieldNames('job_id').deleteRule('cascade'),
    machineId: p.text().primary(),
    accountId: p.uuid(),
    attempt: p.integer(),
    reason: p.text(),
    createdAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
  },
});
export type Ban = InferEntity<typeof Ban>;
