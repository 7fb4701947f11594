-- The next jobs that have ended longer ago than so many days, oldest first, after a place among them.
select id as job_id, coalesce(completed_at, failed_at, canceled_at)::text as ended_at, position::text
from jobs
where status in ('COMPLETED', 'FAILED', 'CANCELED')
  and coalesce(completed_at, failed_at, canceled_at) < statement_timestamp() - make_interval(days => :days)
  and (coalesce(completed_at, failed_at, canceled_at), position) > (:ended_at::timestamptz, :position::bigint)
order by coalesce(completed_at, failed_at, canceled_at), position
limit :jobs
