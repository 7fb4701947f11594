-- Why pending jobs wait: machines with a connected agent in their group, those of them that are not banned, and how many jobs
-- stand before each in the queue (counted up to a bound, by the queue's own index).
-- A group's machines are looked at once, not for each of its jobs: a batch has a thousand of those, and a fleet thousands of machines. Of
-- bans there are few, so it begins with them.
with waiting as materialized (
  select id, account_id, container_group_id, priority, position
  from jobs
  where id = any(:job_ids::uuid[])
),
seen as materialized (
  select distinct groups.account_id, groups.container_group_id, g.machine_id
  from (select distinct account_id, container_group_id from waiting) groups
  join agents g on g.account_id = groups.account_id and g.container_group_id = groups.container_group_id
  where g.draining_at is null
    and g.last_seen_at > now() - make_interval(secs => :seen_within_seconds)
),
machines as materialized (
  select account_id, container_group_id, count(*)::int as agents
  from seen
  group by account_id, container_group_id
),
bans_of_waiting as materialized (
  select w.id, w.account_id, w.container_group_id, b.machine_id
  from waiting w
  join bans b on b.job_id = w.id
),
barred as materialized (
  select b.id, count(*)::int as machines
  from bans_of_waiting b
  join seen using (account_id, container_group_id, machine_id)
  group by b.id
)
select j.id as job_id,
       coalesce(machines.agents, 0) as agents,
       coalesce(machines.agents, 0) - coalesce(barred.machines, 0) as allowed,
       (select count(*)::int
        from (select 1
              from jobs q
              where q.account_id = j.account_id
                and q.container_group_id = j.container_group_id
                and q.status = 'PENDING'
                and (q.priority > j.priority or (q.priority = j.priority and q.position < j.position))
              limit :most + 1) before) as ahead
from waiting j
left join machines using (account_id, container_group_id)
left join barred on barred.id = j.id
