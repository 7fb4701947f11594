-- What the whole installation has to do, by the database's clock: each figure reads one partial index, from its end or as far as there
-- is work under way.
select attempts.live, attempts.overdue_seconds, webhooks.pending, webhooks.overdue_seconds as webhooks_overdue_seconds,
       coalesce(events.lag_seconds, 0) as event_lag_seconds
from (
  select count(*)::int as live,
         greatest(extract(epoch from clock_timestamp() - min(lease_expires_at)), 0)::float8 as overdue_seconds
  from attempts
  where outcome is null
) attempts
cross join (
  select count(*)::int as pending,
         greatest(extract(epoch from clock_timestamp() - min(next_try_at)), 0)::float8 as overdue_seconds
  from webhook_deliveries
  where delivered_at is null and abandoned_at is null
) webhooks
-- The oldest event that this server has not handed out in order yet.
left join lateral (
  select extract(epoch from clock_timestamp() - at)::float8 as lag_seconds
  from job_events
  where (xid, id) > (:xid::xid8, :id::bigint)
  order by xid, id
  limit 1
) events on true
