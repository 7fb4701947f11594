-- Why pending jobs wait: machines with a connected agent in their group, those of them that are banned from the job, those that may
-- have it, how many jobs stand before each in the queue (counted up to a bound, by the queue's own index), and what the rule of the
-- group can do.
-- A group's machines are looked at once, not for each of its jobs: a batch has a thousand of those, and a fleet thousands of machines. Of
-- bans there are few, so what is banned from a job begins with them.
with waiting as materialized (
  select id, account_id, container_group_id, priority, position
  from jobs
  where id = any(:job_ids::uuid[])
),
machines as materialized (
  select seen.*,
         (select count(*) from (select from bans b where b.account_id = seen.account_id and b.machine_id = seen.machine_id
                                limit :bans) some_bans) >= :bans as is_barred
  from (select distinct g.account_id, g.container_group_id, g.machine_id
        from (select distinct account_id, container_group_id from waiting) asked
        join agents g on g.account_id = asked.account_id and g.container_group_id = asked.container_group_id
        where g.draining_at is null and g.retiring_at is null
          and g.last_seen_at > now() - make_interval(secs => :seen_within_seconds)) seen
),
in_group as materialized (
  select account_id, container_group_id, count(*)::int as agents, count(*) filter (where not is_barred)::int as free
  from machines
  group by account_id, container_group_id
),
bans_of_waiting as materialized (
  select w.id, w.account_id, w.container_group_id, b.machine_id
  from waiting w
  join bans b on b.job_id = w.id
),
banned as materialized (
  select b.id, count(*)::int as machines, count(*) filter (where not m.is_barred)::int as free
  from bans_of_waiting b
  join machines m using (account_id, container_group_id, machine_id)
  group by b.id
)
select j.id as job_id,
       coalesce(in_group.agents, 0) as agents,
       coalesce(banned.machines, 0) as banned,
       coalesce(in_group.free, 0) - coalesce(banned.free, 0) as allowed,
       (select count(*)::int
        from (select 1
              from jobs q
              where q.account_id = j.account_id
                and q.container_group_id = j.container_group_id
                and q.status = 'PENDING'
                and (q.priority > j.priority or (q.priority = j.priority and q.position < j.position))
              limit :most + 1) before) as ahead,
       r.wanted,
       r.max_replicas,
       r.answer_ok
from waiting j
left join in_group using (account_id, container_group_id)
left join banned on banned.id = j.id
-- One that has been looked at, by a provider that knows the group.
left join scaling_rules r
  on r.account_id = j.account_id and r.container_group_id = j.container_group_id
  and r.wanted is not null and r.orphaned_at is null
