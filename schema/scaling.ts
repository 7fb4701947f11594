import { z } from 'zod';
import { parseInput } from '../core/input.ts';
import { historyLength, scalingDecisions, scalingHistory } from '../core/scaling/history.ts';
import type { ScalingEvent } from '../db/entities/scaling-event.ts';
import { builder } from './builder.ts';
import { ScalingRuleRef } from './scaling-rule.ts';

interface Decision {
  wanted: number;
  reason: string;
  at: Date;
}

const DecisionRef = builder.objectRef<Decision>('ScalingDecision').implement({
  description: 'How many replicas a rule wanted, and why.',
  fields: (t) => ({
    wanted: t.exposeInt('wanted', { description: 'So many replicas; 0 stops the group.' }),
    reason: t.exposeString('reason', { description: 'How that came about, for a person.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
  }),
});

interface Answer {
  ok: boolean;
  message: string;
  at: Date;
}

const AnswerRef = builder.objectRef<Answer>('ScalingAnswer').implement({
  description: 'What came of asking the provider of the machines.',
  fields: (t) => ({
    ok: t.exposeBoolean('ok', { description: 'Whether the group is as it should be, or was told to be.' }),
    message: t.exposeString('message', { description: 'What was found and done, or what went wrong.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
  }),
});

const EventRef = builder.objectRef<ScalingEvent>('ScalingEvent').implement({
  description: 'Something that a rule newly wanted or did, or a queue that it found changed.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    wanted: t.exposeInt('wanted', { nullable: true, description: 'So many replicas, where that was decided.' }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why so many.' }),
    pending: t.exposeInt('pending', {
      nullable: true,
      description:
        'How many jobs of the group were pending then, counted up to 10,000; null where they were not counted.',
    }),
    running: t.exposeInt('running', {
      nullable: true,
      description: 'How many were running then, counted up to 10,000; null where they were not counted.',
    }),
    ok: t.exposeBoolean('ok', { description: 'Whether the provider did it.' }),
    message: t.exposeString('message', { description: 'What was found and done, or what went wrong.' }),
  }),
});

const historyArgs = z.object({
  first: historyLength.nullish().transform((first) => first ?? 50),
  decisions: z.boolean().nullish(),
});

builder.objectFields(ScalingRuleRef, (t) => ({
  containerGroupName: t.exposeString('groupName', { nullable: true, description: 'As the provider calls the group.' }),
  lastDecision: t.field({
    type: DecisionRef,
    nullable: true,
    description: 'What was last wanted; null before the first look at the queue.',
    resolve: ({ wanted, reason, decidedAt }) =>
      wanted === null || reason === null || decidedAt === null ? null : { wanted, reason, at: decidedAt },
  }),
  lastAnswer: t.field({
    type: AnswerRef,
    nullable: true,
    description: 'What the provider last said; null before it was asked.',
    resolve: ({ answerOk, answer, answeredAt }) =>
      answerOk === null || answer === null || answeredAt === null
        ? null
        : { ok: answerOk, message: answer, at: answeredAt },
  }),
  nextActionAt: t.expose('nextActionAt', {
    type: 'DateTime',
    nullable: true,
    description: 'When the queue is looked at again at the latest; null when not before the rule is changed.',
  }),
  orphanedAt: t.expose('orphanedAt', {
    type: 'DateTime',
    nullable: true,
    description: 'Since when the provider knows no such group: the rule is at rest until somebody changes it.',
  }),
  scalingEvents: t.field({
    type: [EventRef],
    description:
      'What was newly wanted or done, and queues that had changed by a tenth, of those one a minute, newest first; the last 1,000 are kept.',
    args: {
      first: t.arg.int({ description: 'How many at most, 1 to 1,000 (50).' }),
      decisions: t.arg.boolean({
        description: 'Only what was newly wanted or done, or went wrong, not what is of the queue alone (false).',
      }),
    },
    resolve: (rule, args, { core }) => {
      const { first, decisions } = parseInput(historyArgs, args);
      return (decisions === true ? scalingDecisions : scalingHistory)(core, rule, first);
    },
  }),
}));
