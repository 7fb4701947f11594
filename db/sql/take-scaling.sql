-- The rules that are due, for this server alone until their turns end. What is hinted at meanwhile makes them due again.
update scaling_rules r
set turn = gen_random_uuid(),
    turn_ends_at = clock_timestamp() + make_interval(secs => :turn_seconds),
    next_action_at = clock_timestamp() + make_interval(secs => :sweep_seconds)
from (
  select account_id, container_group_id
  from scaling_rules
  where next_action_at <= clock_timestamp() and (turn_ends_at is null or turn_ends_at <= clock_timestamp())
  order by next_action_at
  limit :batch
  for update skip locked
) due
where r.account_id = due.account_id and r.container_group_id = due.container_group_id
returning r.*
