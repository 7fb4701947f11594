-- An agent's connection is gone: its leases end after the grace, unless it comes back. Nothing happens when it has come back
-- already, to this server or another: then another connection stands for it.
update attempts a
set lease_expires_at = least(a.lease_expires_at, clock_timestamp() + make_interval(secs => :grace_seconds))
from agents g
where g.id = :agent_id
  and g.connection_id = :connection_id
  and a.agent_id = g.id
  and a.outcome is null
