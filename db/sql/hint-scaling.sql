-- The queues of these groups have changed: their rules are looked at now, or a second after the last time; of many hints and many
-- servers only the first writes. A provider that asked to be left alone, or failed, is. Rows are held in one order, whoever hints.
update scaling_rules r
set next_action_at = greatest(clock_timestamp(), r.decided_at + make_interval(secs => 1))
from (
  select s.account_id, s.container_group_id
  from scaling_rules s
  join unnest(:account_ids::uuid[], :group_ids::text[]) hint (account_id, container_group_id)
    on hint.account_id = s.account_id and hint.container_group_id = s.container_group_id
  where s.failures = 0
    and s.next_action_at > greatest(clock_timestamp(), s.decided_at + make_interval(secs => 1))
  order by s.account_id, s.container_group_id
  for update of s
) due
where r.account_id = due.account_id and r.container_group_id = due.container_group_id
returning extract(epoch from r.next_action_at - clock_timestamp())::float8 as due_in_seconds
