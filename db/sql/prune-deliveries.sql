-- Removes webhooks that were delivered or given up longer ago than so many days, with their tries. One that somebody is sending
-- again at this moment is passed over.
with doomed as materialized (
  select id
  from webhook_deliveries
  where coalesce(delivered_at, abandoned_at) < statement_timestamp() - make_interval(days => :days)
  order by coalesce(delivered_at, abandoned_at)
  limit :batch
  for update skip locked
),
gone as (
  delete from webhook_deliveries where id = any (array(select id from doomed)) returning 1
)
select count(*)::int as removed from gone
