-- Stores jobs in the order of a list, each with the event of its submission (rule 11). The list is one parameter: a batch of a
-- thousand jobs is a statement no longer than one's. A null of JSON is a null of SQL.
with given as materialized (
  select *
  from rows from (
    jsonb_to_recordset(:jobs::jsonb) as (
      id uuid, name text, command text, arguments jsonb, environment jsonb, container_group_id text, sync jsonb,
      legacy_sync jsonb, compression boolean, webhook text, priority smallint, labels jsonb, max_failures int,
      max_interruptions int, timeout_seconds int, stall_timeout_seconds int, heartbeat_interval int,
      idempotency_key text, request_hash text, trace_parent text
    )
  ) with ordinality
),
stored as (
  insert into jobs (id, account_id, api_key_id, name, command, arguments, environment, container_group_id, sync,
                    legacy_sync, compression, webhook, priority, labels, max_failures, max_interruptions,
                    timeout_seconds, stall_timeout_seconds, heartbeat_interval, idempotency_key, request_hash, trace_parent,
                    event_seq)
  select id, :account_id::uuid, :api_key_id::uuid, name, command, arguments, environment, container_group_id, sync,
         legacy_sync, compression, webhook, priority, labels, max_failures, max_interruptions,
         timeout_seconds, stall_timeout_seconds, heartbeat_interval, idempotency_key, request_hash, trace_parent, 1
  from given
  order by ordinality
  returning *
),
event as (
  insert into job_events (job_id, seq, account_id, container_group_id, type, data)
  select id, event_seq, account_id, container_group_id, 'SUBMITTED', jsonb_build_object('priority', priority)
  from stored
  order by position
)
select * from stored
