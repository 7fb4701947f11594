-- Why pending jobs wait: machines with a connected agent in their group, those of them that are banned from the job, those that may
-- have it, how many jobs stand before each in the queue (counted up to a bound, by the queue's own index), and what the rule of the
-- group can do.
with waiting as materialized (
  select id, account_id, container_group_id, priority, position from jobs where id = any(:job_ids::uuid[])
),
-- Once for all jobs of a group.
machines as materialized (
  select seen.*,
         (select count(*) from (select from bans b where b.account_id = seen.account_id and b.machine_id = seen.machine_id
                                limit :bans) some_bans) >= :bans as is_barred
  from (select distinct g.account_id, g.container_group_id, g.machine_id
        from (select distinct account_id, container_group_id from waiting) asked
        join agents g on g.account_id = asked.account_id and g.container_group_id = asked.container_group_id
        where g.draining_at is null
          and g.last_seen_at > now() - make_interval(secs => :seen_within_seconds)) seen
)
select j.id as job_id,
       there.agents,
       there.banned,
       there.allowed,
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
cross join lateral (
  select count(*)::int as agents,
         count(*) filter (where each.is_banned)::int as banned,
         count(*) filter (where not each.is_banned and not each.is_barred)::int as allowed
  from (select m.is_barred,
               exists (select from bans b where b.job_id = j.id and b.machine_id = m.machine_id) as is_banned
        from machines m
        where m.account_id = j.account_id and m.container_group_id = j.container_group_id) each
) there
-- One that has been looked at, by a provider that knows the group.
left join scaling_rules r
  on r.account_id = j.account_id and r.container_group_id = j.container_group_id
  and r.wanted is not null and r.orphaned_at is null
