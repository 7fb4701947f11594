-- A machine was given up, or not, by the server whose turn it is. What has cooled down of the rule's other machines means nothing any more.
with rule as (
  select account_id, container_group_id from scaling_rules where turn = :turn::uuid
),
forgotten as (
  delete from reallocations r
  using rule
  where r.account_id = rule.account_id and r.container_group_id = rule.container_group_id and r.machine_id <> :machine_id::text
    and r.at < clock_timestamp() - make_interval(secs => :cool_down_seconds)
)
insert into reallocations (account_id, container_group_id, machine_id, ok)
select account_id, container_group_id, :machine_id::text, :ok::boolean from rule
on conflict (account_id, container_group_id, machine_id) do update set at = clock_timestamp(), ok = excluded.ok
