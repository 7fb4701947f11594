-- An agent's connection is gone: its leases end after the grace, unless it comes back. Nothing happens when it has come back
-- already, to this server or another: then another connection stands for it.
-- Attempts of several jobs are locked in the order of the jobs' ids, as everywhere, and the agent's row after them: whoever holds one of them may be
-- waited for, and nobody who connects or sees agents waits for that behind a row that is held meanwhile.
with held as materialized (
  select job_id, number from attempts
  where
    agent_id = :agent_id
    and outcome is null
    and exists (select from agents where id = :agent_id and connection_id = :connection_id)
  order by job_id, number
  for no key update
),
-- Looked at again as it is by then, and held until the leases are written: what an agent renews because a newer connection stands for it is not to
-- be shortened. Locked in share it would be read as it was when this began.
agent as materialized (
  select id from agents
  where id = :agent_id and connection_id = :connection_id and (select count(*) from held) > 0
  for no key update
)
update attempts a
set lease_expires_at = least(a.lease_expires_at, clock_timestamp() + make_interval(secs => :grace_seconds))
from held, agent
where a.job_id = held.job_id and a.number = held.number
