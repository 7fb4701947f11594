-- Rule 6: the oldest job of the highest priority of the asking account and group that the machine is not banned from.
-- One statement: two claimers can't take the same row (SKIP LOCKED passes over what another is taking), and the attempt,
-- its event and its webhook exist exactly when the job is running. The queue's partial index gives the first row at once,
-- whatever the backlog and the history.
-- There is always one row: without a job it says at least whether its machine gets none whatever comes.
with barred as materialized (
  -- Rule 5: a machine that is banned from so many jobs is to be reallocated, and gets nothing more.
  select count(*) >= :bans_to_reallocate as is_barred
  from bans b
  where b.account_id = :account_id and b.machine_id = :machine_id
),
-- The answer to this very claim may have been lost with its connection: then the job that it took is given again.
earlier as materialized (
  select a.job_id, a.outcome
  from attempts a
  where a.agent_id = :agent_id::uuid and a.claim_id = :claim_id::uuid and a.account_id = :account_id
),
candidate as materialized (
  select j.id
  from jobs j
  where j.account_id = :account_id
    and j.container_group_id = :container_group_id
    and j.status = 'PENDING'
    and j.banned_machine_id is distinct from :machine_id
    and not exists (select from bans b where b.job_id = j.id and b.machine_id = :machine_id)
    and not (select is_barred from barred)
    and not exists (select from earlier where outcome is null)
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
  select id, attempt_number, account_id, container_group_id, :machine_id, :agent_id::uuid,
         -- What it once took has ended meanwhile: this is a new claim, which can no longer be told from that one by its id.
         case when not exists (select from earlier) then :claim_id::uuid end,
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
select barred.is_barred, taken.*
from barred
left join (
  select * from claimed
  union all
  select j.* from earlier join jobs j on j.id = earlier.job_id where earlier.outcome is null
) taken on true
