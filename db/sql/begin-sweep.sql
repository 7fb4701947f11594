-- After a pause of the database or of all servers, an agent had nobody to renew its lease with. What ran out meanwhile gets one
-- full grace from now on; once, so that an agent that is gone is given up all the same.
with last as materialized (
  select id, at, clock_timestamp() - at > make_interval(secs => :pause_seconds) as paused
  from sweeps
  for update
),
now_swept as (
  update sweeps s set at = clock_timestamp() from last where s.id = last.id
),
graced as (
  update attempts a
  set lease_expires_at = clock_timestamp() + make_interval(secs => :grace_seconds),
      grace_given = true
  from last
  where last.paused
    and a.outcome is null
    and not a.grace_given
    and a.lease_expires_at >= last.at
    and a.lease_expires_at < clock_timestamp() + make_interval(secs => :grace_seconds)
  returning a.job_id
)
select last.paused, (select count(*)::int from graced) as graced from last
