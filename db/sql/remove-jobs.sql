-- Removes jobs whose rows the caller holds, with their attempts, bans and webhooks that were not sent yet. What remains is the
-- fact itself: events outlive their job. It says what else of the job may be asked for by those who follow the feed.
with removed as (
  delete from jobs where id = any(:ids::uuid[])
  returning id, account_id, container_group_id, status, machine_id, labels, event_seq
)
insert into job_events (job_id, seq, account_id, container_group_id, type, data)
select id, event_seq + 1, account_id, container_group_id, 'PURGED',
       jsonb_build_object('status', status, 'machineId', machine_id, 'labels', labels)
from removed
