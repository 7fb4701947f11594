import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { useClient, useSubscription } from 'urql';
import { GroupsDocument, GroupUpdatedDocument, type GroupFiguresFragment } from '../generated/graphql.ts';
import { useAnswer } from '../live/context.ts';
import { Empty } from '../parts/command.tsx';
import { count, duration } from '../parts/format.ts';
import { Lasting } from '../parts/time.tsx';
import { Fault, Figure, Figures, Page, Panel } from '../parts/ui.tsx';

/** Groups come and go seldom; what is in them is followed. */
const GROUPS_EVERY_MS = 10_000;
/** A socket follows so many at most: the rest is as of the last question. */
const FOLLOWED = 40;

/** Every container group at a glance. */
export function Overview() {
  const { groups, fault } = useGroups();
  return (
    <Page title="Overview" lead="What waits, what runs, and on how many machines, for each container group.">
      {fault !== undefined && <Fault>{fault}</Fault>}
      {groups?.map((group, index) =>
        index < FOLLOWED ? <FollowedGroup key={group.id} group={group} /> : <Group key={group.id} group={group} />,
      )}
      {groups?.length === 0 && <NoGroups />}
    </Page>
  );
}

function NoGroups() {
  return (
    <Panel title="No jobs and no agents yet" bare>
      <Empty title="Submit a job, or start an agent" command={FIRST_JOB}>
        A container group appears here as soon as the account has a job or an agent of it. A job can be submitted with
        the button “Submit a job”, or from a shell, with the key in $KEY:
      </Empty>
    </Panel>
  );
}

const FIRST_JOB = `curl ${location.origin}/jobs -H "X-Kelpie-Key: $KEY" \\
  -d '{"command": "echo", "arguments": ["hello"], "container_group_id": "local"}'`;

function FollowedGroup({ group }: { group: GroupFiguresFragment }) {
  const [{ data }] = useSubscription({ query: GroupUpdatedDocument, variables: { id: group.id } });
  return <Group group={data?.containerGroupUpdated ?? group} />;
}

function Group({ group }: { group: GroupFiguresFragment }) {
  const query = `group=${encodeURIComponent(group.id)}`;
  const { idle, busy, draining, gone } = group.agents;
  return (
    <Panel title={group.id} note={<Link href={`/app/jobs?${query}`}>Jobs of this group</Link>}>
      <Figures>
        <Figure name="Pending" large>
          <Link href={`/app/jobs?${query}&status=PENDING`}>{count(group.pending)}</Link>
        </Figure>
        <Figure name="Running" large>
          <Link href={`/app/jobs?${query}&status=RUNNING`}>{count(group.running)}</Link>
        </Figure>
        <Figure name="Agents" large>
          <Link href={`/app/agents?${query}`}>{count(idle + busy + draining)}</Link>
        </Figure>
        <Figure name="Empty in about" large>
          {timeToEmpty(group)}
        </Figure>
      </Figures>
      <Figures>
        <Figure name="Idle, busy, leaving, gone">{[idle, busy, draining, gone].map(count).join(' · ')}</Figure>
        <Figure name="Completed in an hour">{count(group.completedLastHour)}</Figure>
        <Figure name="Failed in 24 hours">{count(group.failed)}</Figure>
        <Figure name="A job takes (median)">
          {group.medianRunSeconds === null ? 'not known yet' : duration(group.medianRunSeconds)}
        </Figure>
        <Figure name="Oldest has waited">
          {group.oldestPendingAt === null ? '–' : <Lasting from={group.oldestPendingAt} to={null} />}
        </Figure>
      </Figures>
    </Panel>
  );
}

function timeToEmpty({ pending, emptyInSeconds, agents: { idle, busy } }: GroupFiguresFragment): string {
  if (pending === 0) return 'empty';
  if (emptyInSeconds !== null) return duration(emptyInSeconds);
  return idle + busy === 0 ? 'no agents' : 'not known yet';
}

/** All groups: the first hundred as they are asked for again and again, and what there is beyond them, once. */
function useGroups(): { groups: GroupFiguresFragment[] | undefined; fault: string | undefined } {
  const { data, fault } = useAnswer(GroupsDocument, {}, GROUPS_EVERY_MS);
  const client = useClient();
  const [more, setMore] = useState<GroupFiguresFragment[]>([]);
  const next = data?.containerGroups.pageInfo.hasNextPage === true ? data.containerGroups.pageInfo.endCursor : null;
  useEffect(() => {
    let isOver = false;
    const load = async (after: string): Promise<void> => {
      const page = (await client.query(GroupsDocument, { after }).toPromise()).data?.containerGroups;
      if (isOver || page === undefined) return;
      setMore((known) => [...known, ...page.nodes]);
      if (page.pageInfo.hasNextPage && page.pageInfo.endCursor !== null) await load(page.pageInfo.endCursor);
    };
    setMore([]);
    if (next !== null) void load(next);
    return () => {
      isOver = true;
    };
  }, [client, next]);
  return { groups: data && [...data.containerGroups.nodes, ...more], fault };
}
