-- Agents, newest first, each with its state. One that was not heard of for a while is gone, unless it holds a lease: a polling
-- worker speaks only with its heartbeats. `group-figures.sql` counts by the same rule.
select agent.*
from (
  select g.*,
         case
           when g.last_seen_at < now() - make_interval(secs => :gone_after_seconds) and not held.holds then 'GONE'
           when g.draining_at is not null then 'DRAINING'
           when held.holds then 'BUSY'
           else 'IDLE'
         end as state
  from agents g
  cross join lateral (
    select exists (
             select from attempts a where a.agent_id = g.id and a.outcome is null and a.lease_expires_at > now())
        or exists (
             select from attempts a
             where g.session_id is null
               and a.agent_id is null
               and a.account_id = g.account_id
               and a.container_group_id = g.container_group_id
               and a.machine_id = g.machine_id
               and a.outcome is null
               and a.lease_expires_at > now()) as holds
  ) held
  where (:account_id::uuid is null or g.account_id = :account_id)
    and (:ids::uuid[] is null or g.id = any(:ids))
    and (:container_group_id::text is null or g.container_group_id = :container_group_id)
    and (:machine_id::text is null or g.machine_id = :machine_id)
    and (:after_at::timestamptz is null or (g.registered_at, g.id) < (:after_at, :after_id::uuid))
) agent
where :states::text[] is null or agent.state = any(:states)
order by agent.registered_at desc, agent.id desc
limit :limit
