-- Of an account's agents that hold no job so many are kept, whenever they were seen: who has a key can have any number of made up ones
-- seen. Those stay first that have a connection, then those that were registered last. Only accounts are looked at that have more than
-- that, the others are counted by an index alone. Any number of servers may do this at once.
with crowded as materialized (
  select account_id from agents group by account_id having count(*) > :per_account
),
idle as materialized (
  select g.id,
         row_number() over (partition by g.account_id order by g.connection_id is null, g.registered_at desc, g.id) as place
  from crowded
  join agents g on g.account_id = crowded.account_id
  where not exists (select from attempts a where a.agent_id = g.id and a.outcome is null)
    and not exists (
      select from attempts a
      where g.session_id is null
        and a.agent_id is null
        and a.account_id = g.account_id
        and a.container_group_id = g.container_group_id
        and a.machine_id = g.machine_id
        and a.outcome is null)
),
surplus as materialized (
  select id from idle where place > :per_account order by place desc limit :batch
),
forgotten as materialized (
  select g.id
  from surplus
  join agents g on g.id = surplus.id
  where not exists (select from attempts a where a.agent_id = g.id and a.outcome is null)
  for update of g skip locked
)
delete from agents g using forgotten where g.id = forgotten.id returning g.id
