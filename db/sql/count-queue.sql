-- How much work a group has, each kind by an index and up to a bound; and when the first of what ended leaves the count. Where jobs wait,
-- also the machines that are idle but get none of them (rule 5); not those that were given up since they were last seen, or now are.
select pending.count as pending, running.count as running, ended.count as ended,
       case when pending.count = 0 then 0 else (
         select count(distinct g.machine_id)::int
         from agents g
         where g.account_id = :account_id and g.container_group_id = :group_id
           and g.draining_at is null and g.retiring_at is null
           and g.last_seen_at > clock_timestamp() - make_interval(secs => :seen_within_seconds)
           and g.machine_id <> all(:given_up::text[])
           and not exists (
             select from attempts a
             where a.account_id = g.account_id and a.container_group_id = g.container_group_id and a.machine_id = g.machine_id
               and a.outcome is null
           )
           and not exists (
             select from reallocations r
             where r.account_id = g.account_id and r.container_group_id = g.container_group_id and r.machine_id = g.machine_id
               and r.ok and r.at > g.last_seen_at
           )
           -- Most machines have none. Who has few meets a job that it may have after as few rows of the queue.
           and exists (select from bans b where b.account_id = g.account_id and b.machine_id = g.machine_id)
           and (
             (select count(*) from (select from bans b where b.account_id = g.account_id and b.machine_id = g.machine_id
                                    limit :bans) one) >= :bans
             or (
               select q.id from jobs q
               where q.account_id = :account_id and q.container_group_id = :group_id and q.status = 'PENDING'
                 and (select b.job_id from bans b where b.job_id = q.id and b.machine_id = g.machine_id) is null
               limit 1
             ) is null
           )
       ) end as barred,
       extract(epoch from ended.first + make_interval(secs => :idle_seconds) - clock_timestamp())::float8 as cooler_in_seconds
from (select count(*)::int as count
      from (select from jobs
            where account_id = :account_id and container_group_id = :group_id and status = 'PENDING'
            limit :most) one) pending,
     (select count(*)::int as count
      from (select from jobs
            where account_id = :account_id and container_group_id = :group_id and status = 'RUNNING'
            limit :most) one) running,
     (select count(*)::int as count, min(at) as first
      from (select at from (
              select completed_at as at from jobs
              where account_id = :account_id and container_group_id = :group_id and status = 'COMPLETED'
                and completed_at > clock_timestamp() - make_interval(secs => :idle_seconds)
              union all
              select failed_at from jobs
              where account_id = :account_id and container_group_id = :group_id and status = 'FAILED'
                and failed_at > clock_timestamp() - make_interval(secs => :idle_seconds)
              union all
              select canceled_at from jobs
              where account_id = :account_id and container_group_id = :group_id and status = 'CANCELED'
                and started_at is not null
                and canceled_at > clock_timestamp() - make_interval(secs => :idle_seconds)
            ) every
            limit :most) one) ended
