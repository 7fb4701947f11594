-- Removes those of these jobs that are old enough and of which nothing large is left, with attempts, bans and webhooks. A job stays
-- while a webhook of it is still to be sent, and while somebody holds its row: a retry, say. Whoever held it a moment ago may
-- have written an event that this statement does not see, but the row tells.
with seen as materialized (
  select id, event_seq from jobs where id = any (:job_ids::uuid[])
),
doomed as materialized (
  select j.id
  from seen
  join jobs j on j.id = seen.id
  where j.event_seq = seen.event_seq
    and j.status in ('COMPLETED', 'FAILED', 'CANCELED')
    and coalesce(j.completed_at, j.failed_at, j.canceled_at) < statement_timestamp() - make_interval(days => :days)
    and not exists (select from job_events e where e.job_id = j.id)
    and not exists (select from job_logs l where l.job_id = j.id)
    -- Not as the index of what is due has it: see due-deliveries.
    and not exists (
      select from webhook_deliveries d where d.job_id = j.id and coalesce(d.delivered_at, d.abandoned_at) is null
    )
  limit :batch
  for update of j skip locked
),
gone as (
  delete from jobs where id = any (array(select id from doomed)) returning 1
)
select count(*)::int as removed from gone
