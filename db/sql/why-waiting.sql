-- Why pending jobs wait: machines with a connected agent in their group, those of them that are not banned, and how many jobs
-- stand before each in the queue (counted up to a bound, by the queue's own index).
select j.id as job_id,
       machines.agents,
       machines.allowed,
       (select count(*)::int
        from (select 1
              from jobs q
              where q.account_id = j.account_id
                and q.container_group_id = j.container_group_id
                and q.status = 'PENDING'
                and (q.priority > j.priority or (q.priority = j.priority and q.position < j.position))
              limit :most + 1) before) as ahead
from jobs j
cross join lateral (
  select count(*)::int as agents,
         count(*) filter (where not exists (
           select from bans b where b.job_id = j.id and b.machine_id = seen.machine_id))::int as allowed
  from (select distinct g.machine_id
        from agents g
        where g.account_id = j.account_id
          and g.container_group_id = j.container_group_id
          and g.draining_at is null
          and g.last_seen_at > now() - make_interval(secs => :seen_within_seconds)) seen
) machines
where j.id = any(:job_ids::uuid[])
