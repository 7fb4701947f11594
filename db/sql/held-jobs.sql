-- What agents hold: their living attempts. A polling worker's are those of its machine that have no agent.
select g.id as agent_id, a.job_id
from agents g
join attempts a on a.agent_id = g.id and a.outcome is null
where g.id = any(:agent_ids::uuid[])
union all
select g.id, a.job_id
from agents g
join attempts a on a.account_id = g.account_id
  and a.container_group_id = g.container_group_id
  and a.machine_id = g.machine_id
  and a.agent_id is null
  and a.outcome is null
where g.id = any(:agent_ids::uuid[]) and g.session_id is null
