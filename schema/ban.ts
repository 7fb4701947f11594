import type { Ban } from '../db/entities/ban.ts';
import { builder } from './builder.ts';

export const BanRef = builder.objectRef<Ban>('Ban').implement({
  description: 'A machine that does not get a job again.',
  fields: (t) => ({
    machineId: t.exposeString('machineId', { description: 'The machine.' }),
    jobId: t.exposeID('jobId', { description: 'The job.' }),
    attempt: t.exposeInt('attempt', { description: 'The attempt that failed there.' }),
    reason: t.exposeString('reason', { description: 'How it failed.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Since when.' }),
  }),
});
