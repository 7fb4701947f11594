-- Agents of which nothing was heard for long, and which hold nothing. What was seen last was registered before: that index finds
-- the few that may be meant. Any number of servers may do this at once.
with forgotten as materialized (
  select g.id
  from agents g
  where g.registered_at < now() - make_interval(secs => :seconds)
    and g.last_seen_at < now() - make_interval(secs => :seconds)
    and not exists (select from attempts a where a.agent_id = g.id and a.outcome is null)
    and not exists (
      select from attempts a
      where g.session_id is null
        and a.agent_id is null
        and a.account_id = g.account_id
        and a.container_group_id = g.container_group_id
        and a.machine_id = g.machine_id
        and a.outcome is null)
  order by g.registered_at
  limit :batch
  for update of g skip locked
)
delete from agents g using forgotten where g.id = forgotten.id returning g.id
