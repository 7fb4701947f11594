-- The queues of these groups have changed: their rules are looked at now, or a second after the last time; of many hints and many
-- servers only the first writes. A provider that asked to be left alone, or failed, is.
update scaling_rules r
set next_action_at = greatest(clock_timestamp(), r.decided_at + make_interval(secs => 1))
from unnest(:account_ids::uuid[], :group_ids::text[]) hint (account_id, container_group_id)
where r.account_id = hint.account_id
  and r.container_group_id = hint.container_group_id
  and r.failures = 0
  and r.next_action_at > greatest(clock_timestamp(), r.decided_at + make_interval(secs => 1))
