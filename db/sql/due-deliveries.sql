-- Takes due webhooks for one sender: each row is pushed into the future for as long as a try may take, so that a sender that
-- dies in the middle loses nothing and nobody sends the same row beside it.
-- Of each host only as many as it may still be sent at once, found by the index one host after another: ten thousand for a slow
-- host are not looked at, and hold up nobody. Of a job, a later state waits for the earlier one, until that has failed a few times.
with recursive hosts (host) as (
  (select min(host) from webhook_deliveries where delivered_at is null and abandoned_at is null)
  union all
  select (
    select min(d.host) from webhook_deliveries d
    where d.host > hosts.host and d.delivered_at is null and d.abandoned_at is null
  )
  from hosts
  where hosts.host is not null
),
some_hosts as materialized (
  -- At random, so that none is always the last.
  select host from hosts where host is not null order by random() limit 1000
),
due as materialized (
  select d.id, row_number() over (partition by h.host order by d.next_try_at) as rank
  from some_hosts h
  cross join lateral (
    select id, next_try_at
    from webhook_deliveries w
    where w.host = h.host
      and w.delivered_at is null
      and w.abandoned_at is null
      and w.next_try_at <= statement_timestamp()
      and not exists (
        select from webhook_deliveries earlier
        where earlier.job_id = w.job_id
          and earlier.position < w.position
          and earlier.delivered_at is null
          and earlier.abandoned_at is null
          and earlier.tries < :ordered_tries
      )
    order by w.next_try_at
    limit greatest(0, :per_host - coalesce((:in_flight::jsonb ->> h.host)::int, 0))
    for update skip locked
  ) d
),
taken as (
  select id from due order by rank, random() limit :batch
)
update webhook_deliveries d
set tries = d.tries + 1,
    next_try_at = clock_timestamp() + make_interval(secs => :hold_seconds)
from taken
where d.id = taken.id
returning d.*
