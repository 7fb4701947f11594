-- What was published while the command ran, told once however often it is reported: the totals of the attempt are the
-- watermark, and only what is beyond them is news. `keys` are the newest names, in order; of those that were told before, none
-- is told again. An attempt whose lease ran out may still report (rule 3). Locked job first, then attempt, as everywhere.
-- The account is compared as in `renew-leases.sql`, by no index.
with job as materialized (
  select id, account_id, container_group_id, event_seq, resumable_attempt
  from jobs
  where id = :job_id and (account_id = :account_id) is true
  for update
),
fresh as materialized (
  select a.number,
         :files::int - a.checkpoint_files as files,
         greatest(:bytes::bigint - a.checkpoint_bytes, 0) as bytes
  from job, attempts a
  where a.job_id = :job_id
    and a.number = :attempt
    and (a.outcome is null or a.number = job.resumable_attempt)
    and a.checkpoint_files < :files::int
  for update of a
),
attempt as (
  update attempts a
  set checkpoint_files = :files::int,
      checkpoint_bytes = greatest(a.checkpoint_bytes, :bytes::bigint)
  from fresh
  where a.job_id = :job_id and a.number = fresh.number
),
saved as (
  update jobs j
  set event_seq = j.event_seq + 1,
      last_checkpoint_at = clock_timestamp()
  from fresh
  where j.id = :job_id
  returning j.id, j.account_id, j.container_group_id, j.event_seq, j.last_checkpoint_at
),
named as (
  select coalesce(jsonb_agg(key order by place), '[]') as keys
  from (
    select key, max(place) as place
    from fresh, unnest(:keys::text[]) with ordinality as newest (key, place)
    where place > cardinality(:keys::text[]) - fresh.files
    group by key
  ) distinct_keys
),
event as (
  -- At the very time that the job shows: whoever follows events knows it by them alone.
  insert into job_events (job_id, seq, account_id, container_group_id, type, attempt, at, data)
  select saved.id, saved.event_seq, saved.account_id, saved.container_group_id, 'CHECKPOINT_SAVED', :attempt,
         saved.last_checkpoint_at,
         jsonb_build_object('files', fresh.files, 'bytes', fresh.bytes, 'keys', named.keys,
                            'more', greatest(fresh.files - cardinality(:keys::text[]), 0))
  from saved, fresh, named
)
select count(*)::int as events from fresh
