import type { Attempt, Progress } from '../db/entities/attempt.ts';
import { AgentRef } from './agent-type.ts';
import { builder } from './builder.ts';

export const AttemptPhaseRef = builder.enumType('AttemptPhase', {
  description: 'What a living attempt is doing.',
  values: {
    DOWNLOADING: { description: 'It brings what the command needs.' },
    RUNNING: { description: 'The command runs.' },
    UPLOADING: { description: 'The command has ended; its results are carried to storage.' },
  } as const,
});

export const AttemptOutcomeRef = builder.enumType('AttemptOutcome', {
  description: 'How an attempt ended.',
  values: {
    COMPLETED: { description: 'The command exited 0 and everything is in storage.' },
    FAILED: { description: 'The command’s own fault: it exited with a code other than 0, or could not be started.' },
    SYNC_FAILED: { description: 'A fault of storage or start-up: not the command’s.' },
    TIMED_OUT: { description: 'The command took longer than the job allows.' },
    LOST: { description: 'Its lease ran out: nothing was heard of its machine.' },
    RELEASED: { description: 'Its agent gave the job back.' },
    CANCELED: { description: 'The job was canceled meanwhile.' },
  } as const,
});

/** What was said, and, where it is a living attempt's, how long it goes on by that. */
type ShownProgress = Progress & { secondsLeft?: number | null };

export const ProgressRef = builder.objectRef<ShownProgress>('Progress').implement({
  description: 'What the command last said of itself, or what is said of its downloads and uploads.',
  fields: (t) => ({
    fraction: t.exposeFloat('fraction', { nullable: true, description: 'Between 0 and 1.' }),
    message: t.exposeString('message', { nullable: true, description: 'For a person.' }),
    metrics: t.expose('metrics', { type: 'JSONObject', nullable: true, description: 'Whatever is measured.' }),
    secondsLeft: t.float({
      nullable: true,
      description:
        'How long the command will still take, in seconds from now, if its fraction grows on as it did in this attempt; null when ' +
        'that can not be told, and for downloads and uploads.',
      resolve: (progress) => progress.secondsLeft ?? null,
    }),
    at: t.field({ type: 'DateTime', description: 'When it was said.', resolve: (progress) => new Date(progress.at) }),
  }),
});

export const AttemptRef = builder.objectRef<Attempt>('Attempt').implement({
  description: 'One try at a job by one agent.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: '1, 2, 3 … within its job: the fence of its lease.' }),
    machineId: t.exposeString('machineId', { description: 'The machine it runs on.' }),
    agent: t.field({
      type: AgentRef,
      nullable: true,
      description: 'The agent that made it; null for a polling worker, and when the agent was forgotten.',
      resolve: (attempt, _args, context) => context.lookups.agentOf(attempt),
    }),
    phase: t.field({
      type: AttemptPhaseRef,
      nullable: true,
      description: 'What it is doing; null before the first word of it and when it has ended.',
      resolve: (attempt) => (attempt.outcome === null ? attempt.phase : null),
    }),
    outcome: t.expose('outcome', {
      type: AttemptOutcomeRef,
      nullable: true,
      description: 'How it ended; null while it lives.',
    }),
    reason: t.exposeString('reason', {
      nullable: true,
      description: 'Why it ended, for a person who wants to act on it.',
    }),
    exitCode: t.exposeInt('exitCode', { nullable: true, description: 'The command’s exit code.' }),
    signal: t.exposeString('signal', { nullable: true, description: 'The signal that ended the command.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When it was claimed.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    bytesDownloaded: t.expose('bytesDownloaded', { type: 'BigInt', description: 'Bytes brought from storage.' }),
    bytesUploaded: t.expose('bytesUploaded', { type: 'BigInt', description: 'Bytes carried to storage.' }),
    filesDownloaded: t.exposeInt('filesDownloaded', { description: 'Files brought from storage.' }),
    filesUploaded: t.exposeInt('filesUploaded', {
      description: 'Files carried to storage; one that is published twice counts twice.',
    }),
  }),
});
