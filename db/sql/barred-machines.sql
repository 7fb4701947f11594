-- Machines of a group that are there, idle, banned from too many jobs, and were not given up within the cool-down; written down as
-- given up now, so that nobody else does it too.
insert into reallocations (account_id, container_group_id, machine_id)
select distinct g.account_id, g.container_group_id, g.machine_id
from agents g
where g.account_id = :account_id and g.container_group_id = :group_id
  and g.last_seen_at > clock_timestamp() - make_interval(secs => :seen_within_seconds)
  and (select count(*) from (select from bans b where b.account_id = g.account_id and b.machine_id = g.machine_id
                             limit :bans) one) >= :bans
  and not exists (select from attempts a where a.agent_id = g.id and a.outcome is null)
on conflict (account_id, container_group_id, machine_id) do update set at = clock_timestamp()
where reallocations.at < clock_timestamp() - make_interval(secs => :cool_down_seconds)
returning machine_id
