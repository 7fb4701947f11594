-- Removes what the commands of these jobs wrote, unless a job lives again.
with doomed as materialized (
  select chunk.place
  from unnest(:job_ids::uuid[]) as given (job_id)
  join jobs j on j.id = given.job_id and j.status not in ('PENDING', 'RUNNING')
  cross join lateral (
    select l.ctid as place from job_logs l where l.job_id = j.id order by l.attempt, l.position limit :batch
  ) chunk
  limit :batch
),
gone as (
  delete from job_logs where ctid = any (array(select place from doomed)) returning 1
)
select count(*)::int as removed from gone
