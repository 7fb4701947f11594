import { useEffect, useState } from 'react';
import { useSubscription } from 'urql';
import { GroupUpdatedDocument, ScalingRulesDocument, type ScalingRulesQuery } from '../generated/graphql.ts';
import { useAnswer, useMayManage } from '../live/context.ts';
import { queueLine } from '../live/queue-line.ts';
import { Empty } from '../parts/command.tsx';
import { count, duration } from '../parts/format.ts';
import type { Point } from '../parts/point.ts';
import { Sparkline } from '../parts/sparkline.tsx';
import { Ago } from '../parts/time.tsx';
import { Badge, Fault, Figure, Figures, Page, Panel, ui } from '../parts/ui.tsx';
import { ChangeRule, NewRule, RemoveRule } from './scaling-form.tsx';
import styles from '../style/fleet.module.css';

type Rule = ScalingRulesQuery['scalingRules'][number];

const EVERY_MS = 5_000;
/** So much of what was seen of a queue is kept: an hour and a half, when it changes twice a second all the time. */
const MOST_POINTS = 10_000;

/** How many machines each group should have, and why. */
export function Scaling() {
  const { data, fault, refresh } = useAnswer(ScalingRulesDocument, {}, EVERY_MS);
  const rules = data?.scalingRules;
  const mayManage = useMayManage();
  const [isMaking, setMaking] = useState(false);
  const isFirst = rules?.length === 0;
  return (
    <Page
      title="Scaling"
      lead="How many replicas each container group should have, as a function of its queue."
      actions={
        mayManage && rules !== undefined && !isFirst && !isMaking ? (
          <button type="button" className={ui.button} onClick={() => setMaking(true)}>
            New rule
          </button>
        ) : undefined
      }
    >
      {fault !== undefined && <Fault>{fault}</Fault>}
      {rules === undefined && fault === undefined && <p className={ui.muted}>Loading …</p>}
      {isFirst && (
        <section className={ui.panel}>
          <Empty title="No scaling rules yet" command={FIRST_RULE}>
            {mayManage
              ? 'A rule lets a container group follow its queue. Make one below, or from a shell, with the key in $KEY:'
              : 'A rule lets a container group follow its queue. An owner makes one, here or from a shell, with the key in $KEY:'}
          </Empty>
        </section>
      )}
      {mayManage && (isMaking || isFirst) && (
        <NewRule
          onClose={isFirst ? undefined : () => setMaking(false)}
          onDone={() => {
            setMaking(false);
            refresh();
          }}
        />
      )}
      {rules?.map((rule) => (
        <RulePanel key={rule.containerGroupId} rule={rule} mayManage={mayManage} onChanged={refresh} />
      ))}
    </Page>
  );
}

const FIRST_RULE = `curl ${location.origin}/scaling-rules -H "X-Kelpie-Key: $KEY" \\
  -d '{"container_group_id": "local", "min_replicas": 0, "max_replicas": 10}'`;

function RulePanel({ rule, mayManage, onChanged }: { rule: Rule; mayManage: boolean; onChanged: () => void }) {
  const { lastDecision, lastAnswer } = rule;
  const [isChanging, setChanging] = useState(false);
  const [fault, setFault] = useState<string>();
  const queue = useQueue(rule);
  return (
    <Panel title={rule.containerGroupId} note={<State rule={rule} />}>
      <div className={styles.rule}>
        {lastDecision !== null && (
          <p>
            <strong>{count(lastDecision.wanted)} wanted.</strong> {lastDecision.reason}{' '}
            <span className={ui.muted}>
              (<Ago at={lastDecision.at} />)
            </span>
          </p>
        )}
        {lastAnswer !== null && !lastAnswer.ok && <Fault>{lastAnswer.message}</Fault>}
        {fault !== undefined && <Fault>{fault}</Fault>}
        <Figures>
          <Figure name="Replicas allowed">
            {count(rule.minReplicas)} to {count(rule.maxReplicas)}
          </Figure>
          <Figure name="Reduced after an empty queue of">{duration(rule.idleThresholdSeconds)}</Figure>
          <Figure name="Looked at again by">
            {rule.nextActionAt === null ? 'when it is changed' : <At at={rule.nextActionAt} />}
          </Figure>
        </Figures>
        {mayManage && !isChanging && (
          <div className={ui.actions}>
            <button type="button" className={ui.button} onClick={() => setChanging(true)}>
              Change
            </button>
            <RemoveRule group={rule.containerGroupId} onDone={onChanged} onFault={setFault} />
          </div>
        )}
        {mayManage && isChanging && <ChangeRule rule={rule} onDone={onChanged} onClose={() => setChanging(false)} />}
        <div className={styles.charts}>
          <Sparkline caption="Jobs, at each decision and now" lines={QUEUE_LINES} points={queue} />
          <Sparkline caption="Replicas" lines={WANTED_LINES} points={wantedOf(rule)} />
        </div>
        <History rule={rule} />
      </div>
    </Panel>
  );
}

const QUEUE_LINES = ['waiting', 'running'] as const;
const WANTED_LINES = ['wanted'] as const;

function State({ rule: { orphanedAt, lastAnswer } }: { rule: Rule }) {
  if (orphanedAt !== null) return <Badge tone="failed">The provider knows no such group</Badge>;
  if (lastAnswer === null) return <Badge tone="pending">Not looked at yet</Badge>;
  return lastAnswer.ok ? <Badge tone="completed">As wanted</Badge> : <Badge tone="failed">The provider refused</Badge>;
}

function At({ at }: { at: string }) {
  return <time dateTime={at}>{new Date(at).toLocaleTimeString('en-GB')}</time>;
}

/** A queue alone that has changed is in the chart. */
function History({ rule: { decisions } }: { rule: Rule }) {
  if (decisions.length === 0) return null;
  return (
    <div className={styles.decisions}>
      <h3>Decisions</h3>
      <ol className={styles.history}>
        {decisions.map((event) => (
          <li key={`${event.at} ${event.message}`}>
            <Ago at={event.at} />
            <span>{event.reason === null ? event.message : `${event.message}: ${event.reason}`}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** What was wanted, from the oldest event that is told until now. */
function wantedOf({ scalingEvents, lastDecision }: Rule): Point[] {
  const told = scalingEvents.toReversed().flatMap(({ at, wanted }): Point[] => {
    return wanted === null ? [] : [{ at: Date.parse(at), values: [wanted] }];
  });
  return lastDecision === null ? told : [...told, { at: Date.parse(lastDecision.at), values: [lastDecision.wanted] }];
}

/** The queue as it was at each decision that the server remembers, and as it has been told since the page was opened. */
function useQueue({ containerGroupId, scalingEvents }: Rule): Point[] {
  const [{ data }] = useSubscription({ query: GroupUpdatedDocument, variables: { id: containerGroupId } });
  const [told, setTold] = useState<Point[]>([]);
  const group = data?.containerGroupUpdated;
  useEffect(() => {
    if (group === undefined) return;
    const point = { at: Date.now(), values: [group.pending, group.running] };
    setTold((last) => [...last.slice(-MOST_POINTS), point]);
  }, [group]);
  return queueLine(scalingEvents, told, Date.now());
}
