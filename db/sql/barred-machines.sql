-- Machines of a group that are there, idle, and banned from too many jobs. Not those that were given up, or refused to be, within
-- a cool-down: that is looked at before any ban is counted.
select distinct g.machine_id
from agents g
where g.account_id = :account_id and g.container_group_id = :group_id
  and g.last_seen_at > clock_timestamp() - make_interval(secs => :seen_within_seconds)
  and not exists (
    select from reallocations r
    where r.account_id = g.account_id and r.container_group_id = g.container_group_id and r.machine_id = g.machine_id
      and r.at > clock_timestamp() - make_interval(secs => case when r.ok then :cool_down_seconds::float8 else :again_seconds::float8 end)
  )
  and not exists (
    select from attempts a
    where a.account_id = g.account_id and a.container_group_id = g.container_group_id and a.machine_id = g.machine_id
      and a.outcome is null
  )
  and (select count(*) from (select from bans b where b.account_id = g.account_id and b.machine_id = g.machine_id
                             limit :bans) one) >= :bans
