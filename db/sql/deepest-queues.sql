-- How many jobs wait in each container group, the deepest first, and for how long the one that was submitted first does: since it was
-- submitted, retried, or given back by its last attempt. `idle_seconds` is that of queues in which nothing runs meanwhile. A group of the same
-- id in several accounts is one row: whoever runs the servers has no use for whose they are. Reads the queue's partial index, and of each
-- queue one job, one event and one attempt.
with queues as (
  select account_id, container_group_id, count(*) as pending, min(position) as oldest
  from jobs
  where status = 'PENDING'
  group by account_id, container_group_id
),
waiting as (
  select queues.container_group_id, queues.pending,
         greatest(extract(epoch from clock_timestamp() - coalesce(began.at, jobs.created_at)), 0) as seconds,
         exists (
           select from attempts a
           where a.account_id = queues.account_id and a.container_group_id = queues.container_group_id and a.outcome is null
         ) as works
  from queues
  join jobs on jobs.account_id = queues.account_id and jobs.position = queues.oldest
  -- Among the newest of its events: what comes after it in a pending job's history is little.
  left join lateral (
    select at from job_events e
    where e.job_id = jobs.id and e.type in ('SUBMITTED', 'ATTEMPT_ENDED', 'RETRIED')
    order by e.seq desc
    limit 1
  ) began on true
),
groups as (
  select container_group_id as id, sum(pending) as pending, max(seconds) as oldest_seconds,
         coalesce(max(seconds) filter (where not works), 0) as idle_seconds
  from waiting
  group by container_group_id
),
ranked as (
  select id, pending, oldest_seconds, idle_seconds, row_number() over (order by pending desc, id) as place
  from groups
)
-- What stands beyond the bound is one row without an id.
select case when place <= :most then id end as id,
       sum(pending)::float8 as pending,
       max(oldest_seconds)::float8 as oldest_seconds,
       max(idle_seconds)::float8 as idle_seconds,
       count(*)::int as groups
from ranked
group by 1
