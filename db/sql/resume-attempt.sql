-- Rule 3: late is not lost. The attempt whose lease ran out gets it back if nobody has claimed the job since; the
-- interruption that was counted is taken back with it.
-- Account and state are compared as in `renew-leases.sql`, by no index: that of the queue holds all that waits.
with job as materialized (
  select id, event_seq
  from jobs
  where id = :job_id
    and (account_id = :account_id and status = 'PENDING') is true
    and attempt_number = :attempt
    and resumable_attempt = :attempt
  for update
),
attempt as (
  update attempts a
  set outcome = null,
      ended_by = null,
      ended_at = null,
      reason = null,
      heartbeat_at = clock_timestamp(),
      lease_expires_at = clock_timestamp() + make_interval(secs => 2 * a.heartbeat_interval),
      num_heartbeats = a.num_heartbeats + (a.num_heartbeats < 2147483647)::int,
      grace_given = false,
      resumed = true,
      sync_lag_seconds = :sync_lag_seconds::float8
  from job
  where a.job_id = job.id and a.number = :attempt
  returning a.job_id, a.machine_id, a.container_group_id, a.agent_id, a.heartbeat_interval, a.phase, a.warning, a.checkpoint_files
),
resumed as (
  update jobs j
  set status = 'RUNNING',
      status_reason = null,
      resumable_attempt = null,
      machine_id = attempt.machine_id,
      num_interruptions = j.num_interruptions - 1,
      event_seq = j.event_seq + 1
  from attempt
  where j.id = attempt.job_id
  returning j.id, j.account_id, j.container_group_id, j.event_seq
),
event as (
  insert into job_events (job_id, seq, account_id, container_group_id, type, attempt, data)
  select resumed.id, resumed.event_seq, resumed.account_id, resumed.container_group_id, 'ATTEMPT_RESUMED', :attempt,
         jsonb_build_object('machineId', attempt.machine_id, 'agentId', attempt.agent_id)
  from resumed, attempt
)
select heartbeat_interval, phase, warning, checkpoint_files, agent_id, machine_id, container_group_id, true as unseen,
       exists (select from agents g where g.id = attempt.agent_id and g.draining_at is not null) as draining
from attempt
