-- How many jobs wait in each container group, the deepest first, and how old the oldest of them is. A group of the same id in several
-- accounts is one row: whoever runs the servers has no use for whose they are. Reads the queue's partial index, and one job per queue.
with queues as (
  select account_id, container_group_id, count(*) as pending, min(position) as oldest
  from jobs
  where status = 'PENDING'
  group by account_id, container_group_id
),
groups as (
  select queues.container_group_id as id,
         sum(queues.pending) as pending,
         extract(epoch from clock_timestamp() - min(jobs.created_at)) as oldest_seconds
  from queues
  join jobs on jobs.account_id = queues.account_id and jobs.position = queues.oldest
  group by queues.container_group_id
),
ranked as (
  select id, pending, oldest_seconds, row_number() over (order by pending desc, id) as place
  from groups
)
-- What stands beyond the bound is one row without an id.
select case when place <= :most then id end as id,
       sum(pending)::float8 as pending,
       max(oldest_seconds)::float8 as oldest_seconds,
       count(*)::int as groups
from ranked
group by 1
