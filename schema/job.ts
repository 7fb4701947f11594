import type { DefaultConnectionArguments } from '@pothos/plugin-relay';
import { may } from '../core/accounts/keys.ts';
import { listAttempts, listJobEvents } from '../core/jobs/find.ts';
import { statusReason } from '../core/jobs/reason.ts';
import { secondsLeftOf } from '../core/leases/time-left.ts';
import { shownProgress } from '../core/leases/transfer.ts';
import { numberOfCursor } from '../core/number-cursor.ts';
import { listDeliveries } from '../core/webhooks/log.ts';
import type { Attempt } from '../db/entities/attempt.ts';
import type { JobEvent } from '../db/entities/job-event.ts';
import type { Job } from '../db/entities/job.ts';
import type { WebhookDelivery } from '../db/entities/webhook-delivery.ts';
import { AttemptRef, ProgressRef } from './attempt.ts';
import { BanRef } from './ban.ts';
import { builder } from './builder.ts';
import { JobEventRef } from './events.ts';
import { connection, numbers } from './paging.ts';
import { forReaders } from './readers.ts';
import { LegacySyncRef, SyncRef } from './sync.ts';
import { WebhookDeliveryRef } from './webhook.ts';

export const JobStatusRef = builder.enumType('JobStatus', {
  description: 'Where a job stands.',
  values: {
    PENDING: { description: 'It waits for a machine.' },
    RUNNING: { description: 'An attempt holds it.' },
    COMPLETED: { description: 'The command has succeeded and everything it should leave is in storage.' },
    CANCELED: { description: 'Somebody canceled it.' },
    FAILED: { description: 'A budget of failures or interruptions is spent.' },
  } as const,
});

export const JobRef = builder.objectRef<Job>('Job').implement({
  description:
    'Command, arguments, environment, sync instructions, and what became of them. A key of the role AGENT, which gets it with its ' +
    'claims and reports, is told what to do and how its report was counted, and FORBIDDEN where it asks for more.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID in lower case.' }),
    name: t.exposeString('name', { nullable: true, description: 'What its owner calls it.' }),
    status: t.expose('status', { type: JobStatusRef, description: 'Where it stands.' }),
    statusReason: t.string({
      nullable: true,
      description: 'Why it waits, what hinders it while it runs, or why it ended, for a person.',
      resolve: forReaders(async (job, _args, context) =>
        statusReason(job, {
          // Whoever runs is asked no more than that: a second wait, and its attempt would be read apart from what others ask for.
          waiting: job.status === 'PENDING' ? await context.lookups.whyWaiting(job) : undefined,
          attempt: job.status === 'RUNNING' ? await context.lookups.newestAttempt(job) : undefined,
        }),
      ),
    }),
    command: t.exposeString('command', { description: 'The program.' }),
    arguments: t.exposeStringList('arguments', { description: 'Its arguments; no shell comes in between.' }),
    environment: t.field({
      type: 'JSONObject',
      description: 'Its variables. Shown to OWNER, SUBMITTER and the agent that holds the job; empty to others.',
      resolve: (job, _args, { viewer, claimed }) =>
        may(viewer, 'submit') || claimed.includes(job.id) ? job.environment : {},
    }),
    containerGroupId: t.exposeString('containerGroupId', { description: 'The queue: which machines may run it.' }),
    sync: t.expose('sync', {
      type: SyncRef,
      nullable: true,
      description: 'What is carried between storage and machine.',
    }),
    legacySync: t.expose('legacySync', {
      type: LegacySyncRef,
      nullable: true,
      description: 'The older form of sync, where it was given.',
    }),
    compression: t.exposeBoolean('compression', { description: 'Whether files are stored compressed with gzip.' }),
    webhook: t.field({
      type: 'URL',
      nullable: true,
      description: 'Where its outcome is told.',
      resolve: forReaders((job) => job.webhook),
    }),
    priority: t.exposeInt('priority', { description: '-100 to 100, higher first.' }),
    labels: t.expose('labels', { type: 'JSONObject', description: 'Names and values of its owner’s choice.' }),
    maxFailures: t.exposeInt('maxFailures', { description: 'So many failures of the command make the job FAILED.' }),
    maxInterruptions: t.exposeInt('maxInterruptions', {
      nullable: true,
      description: 'More interruptions than this make the job FAILED; unlimited when null.',
    }),
    timeoutSeconds: t.exposeInt('timeoutSeconds', {
      nullable: true,
      description: 'How long one attempt’s command may take, in seconds.',
    }),
    stallTimeoutSeconds: t.exposeInt('stallTimeoutSeconds', {
      nullable: true,
      description: 'How long a command may go without progress, output or checkpoint, in seconds.',
    }),
    heartbeatInterval: t.exposeInt('heartbeatInterval', {
      description: 'Seconds between heartbeats; a lease lasts twice as long.',
    }),
    numFailures: t.exposeInt('numFailures', { description: 'Failures of the command since the last retry.' }),
    numInterruptions: t.exposeInt('numInterruptions', {
      description: 'Attempts that were lost or released since the last retry.',
    }),
    numSyncFailures: t.exposeInt('numSyncFailures', {
      description: 'Faults of storage or start-up since the last retry.',
    }),
    numHeartbeats: t.int({
      description: 'Heartbeats of all attempts.',
      resolve: forReaders(async (job, _args, context) => (await context.lookups.totals(job)).numHeartbeats),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was submitted.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When it was first claimed.' }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true, description: 'When it completed.' }),
    canceledAt: t.expose('canceledAt', { type: 'DateTime', nullable: true, description: 'When it was canceled.' }),
    failedAt: t.expose('failedAt', { type: 'DateTime', nullable: true, description: 'When it failed for good.' }),
    heartbeatAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its newest attempt was last heard of.',
      resolve: forReaders(
        async (job, _args, context) => (await context.lookups.newestAttempt(job))?.heartbeatAt ?? null,
      ),
    }),
    lastCheckpointAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When a file that is synced during the command was last in storage, by any attempt and the database’s clock.',
      resolve: forReaders((job) => job.lastCheckpointAt),
    }),
    syncLagSeconds: t.float({
      nullable: true,
      description:
        'How long the oldest change that is synced during the command has not been in storage, in seconds; 0 when everything is. ' +
        'It grows while nothing is heard. Null when no attempt runs, or nothing is synced.',
      resolve: forReaders(async (job, _args, context) => (await context.lookups.syncLag(job)) ?? null),
    }),
    machineId: t.string({
      nullable: true,
      description: 'The machine that holds it, or was the last to hold it.',
      resolve: forReaders((job) => job.machineId),
    }),
    progress: t.field({
      type: ProgressRef,
      nullable: true,
      description:
        'How far its newest attempt is. While that is DOWNLOADING or UPLOADING: its transfer, with the metrics bytesDone, ' +
        'bytesTotal, filesDone, filesTotal and bytesPerSecond, as far as totals are known. Otherwise what the command last said.',
      resolve: forReaders(async (job, _args, context) => {
        const attempt = await context.lookups.newestAttempt(job);
        const shown = shownProgress(attempt);
        const isCommands = attempt !== undefined && shown !== null && shown === attempt.progress;
        return isCommands ? { ...shown, secondsLeft: secondsLeftOf(attempt, new Date()) } : shown;
      }),
    }),
    attempt: t.field({
      type: AttemptRef,
      nullable: true,
      description: 'Its newest attempt.',
      resolve: forReaders(async (job, _args, context) => (await context.lookups.newestAttempt(job)) ?? null),
    }),
    bans: t.field({
      type: [BanRef],
      description: 'The machines that do not get it again.',
      resolve: forReaders((job, _args, context) => context.lookups.bans(job)),
    }),
    runSeconds: t.float({
      description: 'Time spent in attempts, in seconds, all machines together.',
      resolve: forReaders(async (job, _args, context) => (await context.lookups.totals(job)).runSeconds),
    }),
    attempts: t.connection(
      {
        type: AttemptRef,
        description: 'Every attempt, oldest first.',
        resolve: forReaders((job: Job, args: DefaultConnectionArguments, { core }) =>
          connection<Attempt>(
            args,
            (attempt) => attempt.number,
            (page) => listAttempts(core, job, numbers(page)),
          ),
        ),
      },
      { name: 'AttemptConnection' },
      { name: 'AttemptEdge' },
    ),
    events: t.connection(
      {
        type: JobEventRef,
        description: 'What happened to it, oldest first.',
        resolve: forReaders((job: Job, args: DefaultConnectionArguments, { core }) =>
          connection<JobEvent>(
            args,
            (event) => event.seq,
            (page) => listJobEvents(core, job, numbers(page)),
          ),
        ),
      },
      { name: 'JobEventConnection' },
      { name: 'JobEventEdge' },
    ),
    webhookDeliveries: t.connection(
      {
        type: WebhookDeliveryRef,
        description: 'What its webhook is told, in the order in which it became true.',
        resolve: forReaders((job: Job, args: DefaultConnectionArguments, { core }) =>
          connection<WebhookDelivery>(
            args,
            (delivery) => delivery.position,
            ({ limit, inverted, after, before }) =>
              listDeliveries(core, job, {
                ...{ limit, descending: inverted },
                after: numberOfCursor('after', after),
                before: numberOfCursor('before', before),
              }),
          ),
        ),
      },
      { name: 'WebhookDeliveryConnection' },
      { name: 'WebhookDeliveryEdge' },
    ),
  }),
});
