-- After a pause of the database or of all servers, an agent had nobody to renew its lease with. What ran out meanwhile gets one
-- full grace from now on; once, so that an agent that is gone is given up all the same. Attempts of several jobs are locked in the
-- order of the jobs' ids, as everywhere.
with last as materialized (
  select id, at, clock_timestamp() - at > make_interval(secs => :pause_seconds) as paused
  from sweeps
  for update
),
now_swept as (
  update sweeps s set at = clock_timestamp() from last where s.id = last.id
),
held as materialized (
  select a.job_id, a.number
  from last
  join attempts a on a.lease_expires_at >= last.at
  where last.paused
    and a.outcome is null
    and not a.grace_given
    and a.lease_expires_at < clock_timestamp() + make_interval(secs => :grace_seconds)
  order by a.job_id, a.number
  for no key update of a
),
graced as (
  update attempts a
  set lease_expires_at = clock_timestamp() + make_interval(secs => :grace_seconds),
      grace_given = true
  from held
  where a.job_id = held.job_id and a.number = held.number
  returning a.job_id
)
select last.paused, (select count(*)::int from graced) as graced from last
