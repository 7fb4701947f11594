-- An agent's connection is gone: its leases end after the grace, unless it comes back. Nothing happens when it has come back
-- already, to this server or another: then another connection stands for it. Its row is held until the leases are written: this may wait for one
-- that somebody else holds, and what the agent renews meanwhile, because a newer connection stands for it, is not to be shortened.
-- Attempts of several jobs are locked in the order of the jobs' ids, as everywhere.
with agent as materialized (
  select id from agents where id = :agent_id and connection_id = :connection_id for no key update
),
held as materialized (
  select a.job_id, a.number
  from agent
  join attempts a on a.agent_id = agent.id
  where a.outcome is null
  order by a.job_id, a.number
  for no key update of a
)
update attempts a
set lease_expires_at = least(a.lease_expires_at, clock_timestamp() + make_interval(secs => :grace_seconds))
from held
where a.job_id = held.job_id and a.number = held.number
