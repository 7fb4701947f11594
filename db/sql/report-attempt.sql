-- Phase, progress and warning of a live attempt, with their events, in one statement. Rows are locked job first, then attempt,
-- as everywhere. The progress of a transfer stands beside the command's and goes with its phase; said again it is no news, and
-- neither is a warning. A heartbeat that says nothing of warnings leaves the one that stands: it may be one without any news, after
-- one that was refused.
-- The command's progress is an event once a second on average, however often it is told; a fifth of a second is for the jitter on
-- its way. What comes sooner replaces the attempt's progress and is no event, so that the last word before an ending is not lost.
-- The progress of a transfer is taken once a second likewise; the agent says it with each heartbeat, so what comes sooner is let go.
-- A new phase's first is taken at once, whatever the last phase's was.
-- The trace is how its fraction grew: at most 32 points, 10 s apart, begun anew when the fraction falls.
-- Account and outcome are asked for as in `renew-lease.sql`, by no index.
with job as materialized (
  select id, account_id, container_group_id, event_seq
  from jobs
  where id = :job_id and (account_id = :account_id) is true
  for update
),
before as materialized (
  select a.number, a.phase, a.transfer, a.warning, a.progress_trace as trace, a.progress_due_at as due_at,
         :progress::jsonb is not null
           and statement_timestamp() >= coalesce(a.progress_due_at, '-infinity') - interval '0.2 seconds' as progresses,
         a.transfer_due_at,
         :transfer::jsonb is not null
           and a.transfer - 'at' is distinct from :transfer::jsonb - 'at'
           and (statement_timestamp() >= coalesce(a.transfer_due_at, '-infinity') - interval '0.2 seconds'
             or a.transfer is null
             or a.phase is distinct from coalesce(:phase::attempt_phase, a.phase)) as transfers
  from job, attempts a
  where a.job_id = :job_id and a.number = :attempt and (a.outcome is null) is true
  for update of a
),
news (type, data) as (
  select 'PHASE_CHANGED', jsonb_build_object('phase', :phase::attempt_phase)
  from before
  where :phase::attempt_phase is not null and before.phase is distinct from :phase::attempt_phase
  union all
  select 'PROGRESSED', :progress::jsonb
  from before
  where before.progresses
  union all
  select 'PROGRESSED', :transfer::jsonb
  from before
  where before.transfers
  union all
  select 'WARNED', jsonb_build_object('message', :warning::text)
  from before
  where :says_warning::boolean and before.warning is distinct from :warning::text
),
point as (
  select extract(epoch from (:progress::jsonb ->> 'at')::timestamptz)::float8 as at,
         (:progress::jsonb ->> 'fraction')::float8 as fraction
),
traced as materialized (
  select case
           when point.fraction is null then before.trace
           when before.trace is null or point.fraction < (before.trace -> -1 ->> 1)::float8
             then jsonb_build_array(jsonb_build_array(point.at, point.fraction))
           when point.fraction = (before.trace -> -1 ->> 1)::float8 or point.at < (before.trace -> -1 ->> 0)::float8 + 10
             then before.trace
           else case when jsonb_array_length(before.trace) >= 32 then before.trace - 0 else before.trace end
             || jsonb_build_array(jsonb_build_array(point.at, point.fraction))
         end as trace
  from before, point
),
numbered as materialized (
  select type, data, (row_number() over ())::int as n from news
),
attempt as (
  update attempts a
  set phase = coalesce(:phase::attempt_phase, a.phase),
      progress = coalesce(:progress::jsonb, a.progress),
      progress_trace = traced.trace,
      progress_due_at = case
        when before.progresses then greatest(statement_timestamp(), before.due_at) + interval '1 second'
        else before.due_at
      end,
      transfer = case
        when before.transfers then :transfer::jsonb
        when a.phase = coalesce(:phase::attempt_phase, a.phase) then a.transfer
      end,
      transfer_due_at = case
        when before.transfers then greatest(statement_timestamp(), before.transfer_due_at) + interval '1 second'
        else before.transfer_due_at
      end,
      warning = case when :says_warning::boolean then :warning::text else a.warning end
  from before, traced
  where a.job_id = :job_id and a.number = before.number
),
counted as (
  update jobs j
  set event_seq = j.event_seq + (select count(*)::int from numbered)
  where j.id = :job_id and exists (select from numbered)
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
