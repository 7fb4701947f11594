-- Rule 2 and 3: the check and the write are one statement. An attempt that is still live keeps (or, if its lease ran out and
-- nobody has noticed yet, gets back) its lease by the database's clock. A lease lasts 2 × heartbeat_interval.
-- Many leases at once, each named once; those that hold are returned. An attempt that somebody else holds just then is passed over, because
-- nobody is to wait for a row that is none of theirs: whether that one holds, and any other that is missing here, is for the same statement to
-- say for it alone, without `skip locked`. Attempts of several jobs are locked in the order of the jobs' ids, as everywhere.
-- Account and outcome are asked for in a way that no index serves: where PostgreSQL has not looked at a table yet (a new one, a restored
-- one), it takes those of accounts, and of living attempts, for as good as the primary key, and they hold the whole fleet. Each row is looked
-- for by itself. How many are asked for PostgreSQL takes to be ten, whatever it is given: an array that a query makes has no other estimate. For
-- a hundred, which it takes a function of JSON to return, it would read a table of some size as a whole.
with asked as materialized (
  select one.*, each.place::int as place
  from unnest(array(select jsonb_array_elements(:said::jsonb))) with ordinality as each (said, place)
  cross join lateral jsonb_to_record(each.said)
    as one (account_id uuid, job_id uuid, attempt int, bytes_downloaded bigint, bytes_uploaded bigint, files_downloaded int,
            files_uploaded int, sync_lag_seconds float8, seen_every_seconds float8)
  order by one.job_id, one.attempt
),
held as materialized (
  select asked.*
  from asked
  cross join lateral (
    select
    from attempts
    where job_id = asked.job_id and number = asked.attempt and (account_id = asked.account_id and outcome is null) is true
    for no key update skip locked
  ) attempt
)
update attempts a
set heartbeat_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * a.heartbeat_interval),
    -- Counted no further than the column goes: an attempt is not to lose its lease over a number.
    num_heartbeats = a.num_heartbeats + (a.num_heartbeats < 2147483647)::int,
    grace_given = false,
    bytes_downloaded = greatest(a.bytes_downloaded, held.bytes_downloaded),
    bytes_uploaded = greatest(a.bytes_uploaded, held.bytes_uploaded),
    files_downloaded = greatest(a.files_downloaded, held.files_downloaded),
    files_uploaded = greatest(a.files_uploaded, held.files_uploaded),
    sync_lag_seconds = held.sync_lag_seconds
from held
where a.job_id = held.job_id and a.number = held.attempt and (a.outcome is null) is true
returning held.place, a.heartbeat_interval, a.phase, a.warning, a.checkpoint_files, a.agent_id, a.machine_id,
          a.container_group_id,
          (a.agent_id is null or exists (
            select from agents g
            where g.id = a.agent_id and g.last_seen_at < now() - make_interval(secs => held.seen_every_seconds))) as unseen,
          exists (select from agents g where g.id = a.agent_id and g.draining_at is not null) as draining
