import { Command } from 'commander';
import { z } from 'zod';
import { refused, type Refusal } from '../connection.ts';
import { commandOf, type Context } from '../context.ts';
import { usage } from '../exits.ts';
import { wholeNumber } from '../filters.ts';
import {
  CreateRuleDocument,
  DeleteRuleDocument,
  FindRuleDocument,
  ListRulesDocument,
  UpdateRuleDocument,
  type RuleFragment,
} from '../generated/graphql.ts';
import { plain, tableOf } from '../output.ts';
import { placeOf } from '../spec/faults.ts';

const options = z.object({ json: z.boolean().default(false) });
const setOptions = options.extend({
  min: z.string().optional(),
  max: z.string().optional(),
  idle: z.string().optional(),
});

/** Scaling rules: how many replicas container groups should have. */
export function rulesCommand(context: Context): Command {
  return new Command('rules')
    .description('show and set how many replicas container groups should have')
    .addCommand(listCommand(context), { isDefault: true })
    .addCommand(setCommand(context))
    .addCommand(deleteCommand(context));
}

function listCommand(context: Context): Command {
  return commandOf('list', 'list the rules').action(async (given: unknown) => {
    const { json } = options.parse(given);
    const { scalingRules } = await (await context.connect()).ask(ListRulesDocument, {});
    if (json) scalingRules.forEach(context.sayJson);
    else if (scalingRules.length > 0) context.say(tableOf(HEAD, scalingRules.map(cellsOf)));
    else context.note('No rules.');
  });
}

function setCommand(context: Context): Command {
  return commandOf('set', 'make a rule for a group, or change the one it has')
    .argument('<group>', 'the container group')
    .option('--min <number>', 'never fewer replicas')
    .option('--max <number>', 'never more replicas')
    .option('--idle <seconds>', 'how long its queue must be empty before replicas are taken away')
    .action(async (group: unknown, given: unknown) => {
      const { min, max, idle, json } = setOptions.parse(given);
      if (min === undefined && max === undefined && idle === undefined) throw usage('Expected --min, --max or --idle');
      const rule = await set(context, {
        containerGroupId: z.string().parse(group),
        ...(min !== undefined && { minReplicas: wholeNumber(min, '--min') }),
        ...(max !== undefined && { maxReplicas: wholeNumber(max, '--max') }),
        ...(idle !== undefined && { idleThresholdSeconds: wholeNumber(idle, '--idle') }),
      });
      context.tell(json, rule, () => tableOf(HEAD, [cellsOf(rule)]));
    });
}

interface Wish {
  containerGroupId: string;
  minReplicas?: number;
  maxReplicas?: number;
  idleThresholdSeconds?: number;
}

/** Who makes the rule between our look and our word wins, and we say so: a conflict. */
async function set(context: Context, input: Wish): Promise<RuleFragment> {
  const connection = await context.connect();
  const { scalingRule } = await connection.ask(FindRuleDocument, { group: input.containerGroupId });
  const answer =
    scalingRule == null
      ? (await connection.askOnce(CreateRuleDocument, { input })).createScalingRule
      : (await connection.ask(UpdateRuleDocument, { input })).updateScalingRule;
  if (answer.__typename !== 'ScalingRule') throw refused(inFlags(answer));
  return answer;
}

/** The faults of what was given, in the words in which it was. */
function inFlags({ code, message, issues = [] }: Refusal): Refusal {
  const faults = issues.map(({ path: [, ...field], message: fault }) => `${placeOf(field, 'FLAGS')}${fault}`);
  return { code, message: faults.length > 0 ? faults.join('\n') : message };
}

function deleteCommand(context: Context): Command {
  return commandOf('delete', 'remove a rule; the group keeps the replicas that it has')
    .argument('<group>', 'the container group')
    .action(async (group: unknown, given: unknown) => {
      const { json } = options.parse(given);
      const connection = await context.connect();
      const { deleteScalingRule } = await connection.askOnce(DeleteRuleDocument, { group: z.string().parse(group) });
      if (deleteScalingRule.__typename !== 'ScalingRule') throw refused(deleteScalingRule);
      context.tell(json, deleteScalingRule, () => plain(`${deleteScalingRule.containerGroupId} has no rule any more`));
    });
}

const HEAD = ['group', 'min', 'max', 'idle', 'wanted', 'why'];

function cellsOf(rule: RuleFragment): string[] {
  return [
    plain(rule.containerGroupId),
    String(rule.minReplicas),
    String(rule.maxReplicas),
    `${rule.idleThresholdSeconds} s`,
    rule.lastDecision == null ? '' : String(rule.lastDecision.wanted),
    plain(rule.lastAnswer?.ok === false ? rule.lastAnswer.message : (rule.lastDecision?.reason ?? '')),
  ];
}
