-- An agent's connection is gone: its leases end after the grace, unless it comes back. Nothing happens when it has come back
-- already, to this server or another: then another connection stands for it.
-- Attempts of several jobs are locked in the order of the jobs' ids, as everywhere.
with held as materialized (
  select a.job_id, a.number
  from agents g
  join attempts a on a.agent_id = g.id
  where g.id = :agent_id and g.connection_id = :connection_id and a.outcome is null
  order by a.job_id, a.number
  for no key update of a
)
update attempts a
set lease_expires_at = least(a.lease_expires_at, clock_timestamp() + make_interval(secs => :grace_seconds))
from held
where a.job_id = held.job_id and a.number = held.number
