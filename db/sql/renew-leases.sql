-- `renew-lease.sql` for many leases at once, each named once: those that hold are returned. An attempt that somebody else holds just then
-- is passed over, because nobody is to wait for a row that is none of theirs. Whether that one holds, and any other that is missing here,
-- is for a statement of its own to say. Attempts of several jobs are locked in the order of the jobs' ids, as everywhere.
-- Account and outcome are asked for as in `renew-lease.sql`, by no index.
with asked as materialized (
  select *
  from unnest(:account_ids::uuid[], :job_ids::uuid[], :attempts::int[], :bytes_downloaded::bigint[], :bytes_uploaded::bigint[],
              :files_downloaded::int[], :files_uploaded::int[], :sync_lag_seconds::float8[])
    as asked (account_id, job_id, attempt, bytes_downloaded, bytes_uploaded, files_downloaded, files_uploaded, sync_lag_seconds)
),
held as materialized (
  select a.account_id, a.job_id, a.number
  from asked
  join attempts a on a.job_id = asked.job_id and a.number = asked.attempt
  where (a.account_id = asked.account_id and a.outcome is null) is true
  order by a.job_id, a.number
  for no key update of a skip locked
)
update attempts a
set heartbeat_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * a.heartbeat_interval),
    num_heartbeats = a.num_heartbeats + (a.num_heartbeats < 2147483647)::int,
    grace_given = false,
    bytes_downloaded = greatest(a.bytes_downloaded, asked.bytes_downloaded),
    bytes_uploaded = greatest(a.bytes_uploaded, asked.bytes_uploaded),
    files_downloaded = greatest(a.files_downloaded, asked.files_downloaded),
    files_uploaded = greatest(a.files_uploaded, asked.files_uploaded),
    sync_lag_seconds = asked.sync_lag_seconds
from held
join asked on asked.job_id = held.job_id and asked.attempt = held.number and asked.account_id = held.account_id
where a.job_id = held.job_id and a.number = held.number and (a.outcome is null) is true
returning a.account_id, a.job_id, a.number, a.heartbeat_interval, a.phase, a.warning, a.checkpoint_files, a.agent_id, a.machine_id,
          a.container_group_id,
          (a.agent_id is null or exists (
            select from agents g
            where g.id = a.agent_id and g.last_seen_at < now() - make_interval(secs => :seen_every_seconds))) as unseen,
          exists (select from agents g where g.id = a.agent_id and g.draining_at is not null) as draining
