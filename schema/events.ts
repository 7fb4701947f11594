import { cursorOf } from '../core/events/position.ts';
import type { JobEvent } from '../db/entities/job-event.ts';
import { builder } from './builder.ts';

const JobEventTypeRef = builder.enumType('JobEventType', {
  description: 'What happened.',
  values: {
    SUBMITTED: { description: 'The job was stored.' },
    CLAIMED: { description: 'An attempt began.' },
    PHASE_CHANGED: { description: 'The attempt entered another phase.' },
    PROGRESSED: { description: 'The command, or a download or an upload, is so far.' },
    CHECKPOINT_SAVED: {
      description:
        'Files that are synced during the command are in storage: how many (`files`, `bytes`), at most 10 `keys`, and how many `more`.',
    },
    ATTEMPT_ENDED: { description: 'An attempt ended, with its outcome.' },
    ATTEMPT_RESUMED: { description: 'An attempt that was believed lost came back before anybody else had the job.' },
    COMPLETED: { description: 'The job completed.' },
    FAILED: { description: 'The job failed for good.' },
    CANCELED: { description: 'The job was canceled.' },
    RETRIED: { description: 'The job was made pending again, with its whole budget.' },
    PURGED: {
      description:
        'The job was removed. The event says what it was then: its status, the machine that had it last, and its labels, which are ' +
        'kept until its events go.',
    },
    WARNED: { description: 'Something hinders the attempt (`message`), or does so no longer (null).' },
    BAN_LIFTED: { description: 'A machine that was banned may have the job again.' },
  } as const,
});

export const JobEventRef = builder.objectRef<JobEvent>('JobEvent').implement({
  description: 'One fact about one job.',
  fields: (t) => ({
    cursor: t.field({
      type: 'Cursor',
      description:
        'Its place in the account’s feed: jobEvents goes on after it. (The cursors of Job.events are of that list alone.) Of an event ' +
        'that jobEvents itself has told, nothing is missed after it; of one that was read elsewhere, what another job’s ' +
        'transaction was still writing then may stand before it.',
      resolve: cursorOf,
    }),
    seq: t.exposeInt('seq', { description: '1, 2, 3 … within its job, without gaps.' }),
    type: t.expose('type', { type: JobEventTypeRef, description: 'What happened.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When, by the database’s clock.' }),
    jobId: t.exposeID('jobId', { description: 'The job it is about.' }),
    attempt: t.exposeInt('attempt', { nullable: true, description: 'The attempt it is about.' }),
    data: t.expose('data', { type: 'JSONObject', description: 'The rest of the fact.' }),
  }),
});
