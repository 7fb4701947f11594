-- Rule 6: the oldest job of the highest priority of the asking account and group that the machine is not banned from.
-- One statement: two claimers can't take the same row (SKIP LOCKED passes over what another is taking), and the attempt,
-- its event and its webhook exist exactly when the job is running. The queue's partial index gives the first row at once,
-- whatever the backlog and the history.
with candidate as materialized (
  select j.id
  from jobs j
  where j.account_id = :account_id
    and j.container_group_id = :container_group_id
    and j.status = 'PENDING'
    and j.banned_machine_id is distinct from :machine_id
    and not exists (select from bans b where b.job_id = j.id and b.machine_id = :machine_id)
    -- Rule 5: a machine that is banned from so many jobs is to be reallocated, and gets nothing more.
    and (select count(*) from bans b where b.account_id = :account_id and b.machine_id = :machine_id) < :bans_to_reallocate
  order by j.priority desc, j.position
  limit 1
  for update of j skip locked
),
claimed as (
  update jobs j
  set status = 'RUNNING',
      status_reason = null,
      machine_id = :machine_id,
      attempt_number = j.attempt_number + 1,
      resumable_attempt = null,
      started_at = coalesce(j.started_at, now()),
      event_seq = j.event_seq + 1
  from candidate
  where j.id = candidate.id
  returning j.*
),
attempt as (
  insert into attempts (job_id, number, account_id, container_group_id, machine_id, agent_id, claim_id,
                        heartbeat_interval, lease_expires_at)
  select id, attempt_number, account_id, container_group_id, :machine_id, :agent_id, :claim_id,
         heartbeat_interval,
         clock_timestamp() + make_interval(secs => 2 * heartbeat_interval)
  from claimed
),
event as (
  insert into job_events (job_id, seq, account_id, container_group_id, type, attempt, data)
  select id, event_seq, account_id, container_group_id, 'CLAIMED', attempt_number,
         jsonb_build_object('machineId', :machine_id::text, 'agentId', :agent_id::uuid)
  from claimed
),
delivery as (
  insert into webhook_deliveries (account_id, api_key_id, job_id, attempt, url, status, machine_id, container_group_id)
  select account_id, api_key_id, id, attempt_number, webhook, 'running', :machine_id, container_group_id
  from claimed
  where webhook is not null
)
select * from claimed
