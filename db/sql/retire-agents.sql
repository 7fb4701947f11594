-- Idle agents first, then those that have worked least on their job: they get no more jobs. Their number is what is too many.
update agents
set retiring_at = clock_timestamp()
where id in (
  select g.id
  from agents g
  left join lateral (
    select max(a.started_at) as since from attempts a where a.agent_id = g.id and a.outcome is null
  ) work on true
  where g.account_id = :account_id and g.container_group_id = :group_id and g.machine_id = any(:machine_ids::text[])
    and g.retiring_at is null and g.draining_at is null
  order by work.since desc nulls first, g.registered_at desc
  limit :count
  for update of g
)
returning machine_id
