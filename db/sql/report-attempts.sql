-- Phase, progress and warning of live attempts, with their events. Many in one statement, each named once; what is not returned was not
-- written. A job or an attempt that somebody else holds just then is passed over, as in `renew-leases.sql`. Rows are locked job first, then
-- attempt, those of several in the order of the jobs' ids, as everywhere.
-- The progress of a transfer stands beside the command's and goes with its phase; said again it is no news, and
-- neither is a warning. A heartbeat that says nothing of warnings leaves the one that stands: it may be one without any news, after
-- one that was refused.
-- The command's progress is an event once a second on average, however often it is told; a fifth of a second is for the jitter on
-- its way. What comes sooner replaces the attempt's progress and is no event, so that the last word before an ending is not lost.
-- The progress of a transfer is taken once a second likewise; the agent says it with each heartbeat, so what comes sooner is let go.
-- A new phase's first is taken at once, whatever the last phase's was.
-- The trace is how its fraction grew: at most 32 points, 10 s apart, begun anew when the fraction falls.
-- Account and outcome are asked for as in `renew-leases.sql`, by no index, and each row by itself.
with asked as materialized (
  select one.*, each.place::int as place
  from unnest(array(select jsonb_array_elements(:said::jsonb))) with ordinality as each (said, place)
  cross join lateral jsonb_to_record(each.said)
    as one (account_id uuid, job_id uuid, attempt int, phase attempt_phase, progress jsonb, transfer jsonb, says_warning boolean,
            warning text)
  order by one.job_id, one.attempt
),
job as materialized (
  select asked.*, j.container_group_id, j.event_seq
  from asked
  cross join lateral (
    select container_group_id, event_seq
    from jobs
    where id = asked.job_id and (account_id = asked.account_id) is true
    for update skip locked
  ) j
),
before as materialized (
  select job.*, a.last_phase, a.last_transfer, a.last_warning, a.trace, a.due_at, a.transfer_due_at
  from job
  cross join lateral (
    select phase as last_phase, transfer as last_transfer, warning as last_warning, progress_trace as trace, progress_due_at as due_at,
           transfer_due_at
    from attempts
    where job_id = job.job_id and number = job.attempt and (outcome is null) is true
    for update skip locked
  ) a
),
judged as materialized (
  select before.*, found.*, point.*,
         found.entering::int + found.progressing::int + found.transferring::int + found.warned::int as events
  from before
  cross join lateral (
    select before.phase is not null and before.last_phase is distinct from before.phase as entering,
           before.progress is not null
             and statement_timestamp() >= coalesce(before.due_at, '-infinity') - interval '0.2 seconds' as progressing,
           before.transfer is not null
             and before.last_transfer - 'at' is distinct from before.transfer - 'at'
             and (statement_timestamp() >= coalesce(before.transfer_due_at, '-infinity') - interval '0.2 seconds'
               or before.last_transfer is null
               or before.last_phase is distinct from coalesce(before.phase, before.last_phase)) as transferring,
           before.says_warning and before.last_warning is distinct from before.warning as warned
  ) found
  cross join lateral (
    select extract(epoch from (before.progress ->> 'at')::timestamptz)::float8 as at,
           (before.progress ->> 'fraction')::float8 as fraction
  ) point
),
attempt as (
  update attempts a
  set phase = coalesce(judged.phase, a.phase),
      progress = coalesce(judged.progress, a.progress),
      progress_trace = case
        when judged.fraction is null then judged.trace
        when judged.trace is null or judged.fraction < (judged.trace -> -1 ->> 1)::float8
          then jsonb_build_array(jsonb_build_array(judged.at, judged.fraction))
        when judged.fraction = (judged.trace -> -1 ->> 1)::float8 or judged.at < (judged.trace -> -1 ->> 0)::float8 + 10
          then judged.trace
        else case when jsonb_array_length(judged.trace) >= 32 then judged.trace - 0 else judged.trace end
          || jsonb_build_array(jsonb_build_array(judged.at, judged.fraction))
      end,
      progress_due_at = case
        when judged.progressing then greatest(statement_timestamp(), judged.due_at) + interval '1 second'
        else judged.due_at
      end,
      transfer = case
        when judged.transferring then judged.transfer
        when a.phase = coalesce(judged.phase, a.phase) then a.transfer
      end,
      transfer_due_at = case
        when judged.transferring then greatest(statement_timestamp(), judged.transfer_due_at) + interval '1 second'
        else judged.transfer_due_at
      end,
      warning = case when judged.says_warning then judged.warning else a.warning end
  from judged
  where a.job_id = judged.job_id and a.number = judged.attempt
),
counted as (
  update jobs j
  set event_seq = j.event_seq + judged.events
  from judged
  where j.id = judged.job_id and judged.events > 0
),
event as (
  insert into job_events (job_id, seq, account_id, container_group_id, type, attempt, data)
  select judged.job_id, judged.event_seq + news.nth, judged.account_id, judged.container_group_id, news.type::job_event_type,
         judged.attempt, news.data
  from judged
  cross join lateral (
    values
      (judged.entering, 'PHASE_CHANGED', jsonb_build_object('phase', judged.phase), judged.entering::int),
      (judged.progressing, 'PROGRESSED', judged.progress, judged.entering::int + 1),
      (judged.transferring, 'PROGRESSED', judged.transfer, judged.entering::int + judged.progressing::int + 1),
      (judged.warned, 'WARNED', jsonb_build_object('message', judged.warning), judged.events)
  ) news (is_new, type, data, nth)
  where news.is_new
  -- The feed's position takes its second part from the order of insertion.
  order by judged.job_id, news.nth
)
select place, events from judged
