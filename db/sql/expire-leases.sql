-- Rule 7: ends attempts whose lease ran out by the database's clock. Any number of servers may sweep at once: each passes
-- over the rows that another holds. A heartbeat that commits first moves lease_expires_at, and the row no longer matches.
-- Where nobody has begun a sweep within `pause_seconds`, an outage lies between the beginning of this one and here: nothing is taken, and the
-- next sweep gives it its grace first. Null asks for no sweep.
with expired as materialized (
  select a.job_id, a.number
  from attempts a
  join jobs j on j.id = a.job_id
  where a.outcome is null and a.lease_expires_at < statement_timestamp()
    and (:pause_seconds::float8 is null
      or exists (select from sweeps where at > statement_timestamp() - make_interval(secs => :pause_seconds::float8)))
  order by a.lease_expires_at
  limit :batch
  for update of j, a skip locked
)
update attempts a
set outcome = 'LOST',
    ended_by = 'SERVER',
    ended_at = clock_timestamp(),
    reason = format('No sign of life from machine %s: its last heartbeat is %s s old, and the lease ran out', a.machine_id,
      greatest(0, round(extract(epoch from clock_timestamp() - coalesce(a.heartbeat_at, a.started_at)))))
from expired
where a.job_id = expired.job_id and a.number = expired.number
returning a.job_id, a.number, a.machine_id, a.agent_id, a.resumed, a.reason, a.started_at, a.ended_at
