-- Idle agents first, then those that have worked least on their job: they get no more jobs. Their number is what is too many.
-- They are locked in the order of their ids, as everywhere; one that has been told to go meanwhile is not told again.
with chosen as materialized (
  select g.id
  from agents g
  left join lateral (
    select max(a.started_at) as since from attempts a where a.agent_id = g.id and a.outcome is null
  ) work on true
  where g.account_id = :account_id and g.container_group_id = :group_id and g.machine_id = any(:machine_ids::text[])
    and g.retiring_at is null and g.draining_at is null
  order by work.since desc nulls first, g.registered_at desc
  limit :count
),
held as materialized (
  select id
  from agents
  where id = any(array(select id from chosen)) and retiring_at is null and draining_at is null
  order by id
  for no key update
)
update agents
set retiring_at = clock_timestamp()
where id = any(array(select id from held))
returning machine_id
