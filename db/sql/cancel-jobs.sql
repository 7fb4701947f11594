-- Everything that a cancel implies, for jobs whose rows the caller holds: the live attempt is fenced off, both are told
-- (rule 11). The agent, if there is one, hears of it by the second event. Attempts of several jobs are locked in the order of the
-- jobs' ids, as everywhere: those who write leases hold no job.
-- What comes back is for traces, so it is only what is traced.
with held as materialized (
  select a.job_id, a.number
  from jobs j
  join attempts a on a.job_id = j.id and a.number = j.attempt_number
  where j.id = any(:ids::uuid[]) and a.outcome is null
  order by a.job_id, a.number
  for no key update of a
),
attempt as (
  update attempts a
  set outcome = 'CANCELED', ended_by = 'USER', ended_at = statement_timestamp(), reason = :reason
  from held
  where a.job_id = held.job_id and a.number = held.number
  returning a.job_id, a.number, a.machine_id, a.agent_id, a.resumed, a.started_at, a.ended_at
),
canceled as (
  update jobs j
  set status = 'CANCELED',
      status_reason = :reason,
      canceled_at = statement_timestamp(),
      resumable_attempt = null,
      event_seq = j.event_seq + 1 + (select count(*)::int from attempt where attempt.job_id = j.id)
  where j.id = any(:ids::uuid[])
  returning j.id, j.account_id, j.container_group_id, j.event_seq, j.trace_parent, j.created_at, j.retried_at, j.canceled_at,
            j.attempt_number, j.num_failures, j.num_interruptions
),
event as (
  insert into job_events (job_id, seq, account_id, container_group_id, type, attempt, data)
  select c.id, c.event_seq - 1, c.account_id, c.container_group_id, 'ATTEMPT_ENDED'::job_event_type, a.number,
         jsonb_build_object('outcome', 'CANCELED', 'reason', :reason::text, 'machineId', a.machine_id, 'agentId', a.agent_id)
  from canceled c
  join attempt a on a.job_id = c.id
  union all
  select c.id, c.event_seq, c.account_id, c.container_group_id, 'CANCELED', a.number,
         jsonb_build_object('agentId', a.agent_id)
  from canceled c
  left join attempt a on a.job_id = c.id
)
select c.id, c.account_id, c.container_group_id, c.trace_parent, c.created_at, c.retried_at, c.canceled_at, c.attempt_number,
       c.num_failures, c.num_interruptions, a.number, a.machine_id, a.agent_id, a.resumed, a.started_at, a.ended_at
from canceled c
left join attempt a on a.job_id = c.id
where c.trace_parent is not null
