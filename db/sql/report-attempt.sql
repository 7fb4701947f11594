-- Phase, progress and warning of a live attempt, with their events, in one statement. Rows are locked job first, then attempt,
-- as everywhere. The progress of a transfer stands beside the command's and goes with its phase; said again it is no news, and
-- neither is a warning.
with job as materialized (
  select id, account_id, container_group_id, event_seq
  from jobs
  where id = :job_id and account_id = :account_id
  for update
),
before as materialized (
  select a.number, a.phase, a.transfer, a.warning
  from attempts a
  join job on job.id = a.job_id
  where a.number = :attempt and a.outcome is null
  for update of a
),
news (type, data) as (
  select 'PHASE_CHANGED', jsonb_build_object('phase', :phase::attempt_phase)
  from before
  where :phase::attempt_phase is not null and before.phase is distinct from :phase::attempt_phase
  union all
  select 'PROGRESSED', :progress::jsonb
  from before
  where :progress::jsonb is not null
  union all
  select 'PROGRESSED', :transfer::jsonb
  from before
  where :transfer::jsonb is not null and before.transfer - 'at' is distinct from :transfer::jsonb - 'at'
  union all
  select 'WARNED', jsonb_build_object('message', :warning::text)
  from before
  where before.warning is distinct from :warning::text
),
numbered as materialized (
  select type, data, (row_number() over ())::int as n from news
),
attempt as (
  update attempts a
  set phase = coalesce(:phase::attempt_phase, a.phase),
      progress = coalesce(:progress::jsonb, a.progress),
      transfer = coalesce(:transfer::jsonb, case when a.phase = coalesce(:phase::attempt_phase, a.phase) then a.transfer end),
      warning = :warning::text
  from before
  where a.job_id = :job_id and a.number = before.number
),
counted as (
  update jobs j
  set event_seq = j.event_seq + (select count(*)::int from numbered)
  from job
  where j.id = job.id and exists (select from numbered)
),
event as (
  insert into job_events (job_id, seq, account_id, container_group_id, type, attempt, data)
  select job.id, job.event_seq + numbered.n, job.account_id, job.container_group_id, numbered.type::job_event_type,
         :attempt, numbered.data
  from job, numbered
  -- The feed's position takes its second part from the order of insertion.
  order by numbered.n
)
select count(*)::int as events from numbered
