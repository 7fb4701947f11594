-- Of agents that are gone so many are kept, of each group and of each account, those that were seen last. Who holds a job stays. Only
-- groups and accounts are looked at that have more than that, the others are counted by an index alone. Any number of servers may do this
-- at once; one that comes back meanwhile stays.
with counted as materialized (
  select account_id, container_group_id, count(*) as agents from agents group by account_id, container_group_id
),
crowded as materialized (
  select account_id, container_group_id
  from counted
  where agents > :per_group
     or account_id in (select account_id from counted group by account_id having sum(agents) > :per_account)
),
gone as materialized (
  select g.id, g.last_seen_at,
         row_number() over (partition by g.account_id, g.container_group_id order by g.last_seen_at desc, g.id) as in_group,
         row_number() over (partition by g.account_id order by g.last_seen_at desc, g.id) as in_account
  from crowded
  join agents g on g.account_id = crowded.account_id and g.container_group_id = crowded.container_group_id
  where g.last_seen_at < now() - make_interval(secs => :seconds)
    and not exists (select from attempts a where a.agent_id = g.id and a.outcome is null)
    and not exists (
      select from attempts a
      where g.session_id is null
        and a.agent_id is null
        and a.account_id = g.account_id
        and a.container_group_id = g.container_group_id
        and a.machine_id = g.machine_id
        and a.outcome is null)
),
surplus as materialized (
  select id from gone where in_group > :per_group or in_account > :per_account order by last_seen_at limit :batch
),
forgotten as materialized (
  select g.id
  from surplus
  join agents g on g.id = surplus.id
  where g.last_seen_at < now() - make_interval(secs => :seconds)
    and not exists (select from attempts a where a.agent_id = g.id and a.outcome is null)
  for update of g skip locked
)
delete from agents g using forgotten where g.id = forgotten.id returning g.id
