-- Rule 2 and 3: the check and the write are one statement. An attempt that is still live keeps (or, if its lease ran out and
-- nobody has noticed yet, gets back) its lease by the database's clock. A lease lasts 2 × heartbeat_interval.
-- Account and outcome are asked for in a way that no index serves: where PostgreSQL has not looked at a table yet (a new one, a restored
-- one), it takes those of accounts, and of living attempts, for as good as the primary key, and they hold the whole fleet.
update attempts
set heartbeat_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * heartbeat_interval),
    -- Counted no further than the column goes: an attempt is not to lose its lease, nor a round of heartbeats to fail, over a number.
    num_heartbeats = num_heartbeats + (num_heartbeats < 2147483647)::int,
    grace_given = false,
    bytes_downloaded = greatest(bytes_downloaded, :bytes_downloaded::bigint),
    bytes_uploaded = greatest(bytes_uploaded, :bytes_uploaded::bigint),
    files_downloaded = greatest(files_downloaded, :files_downloaded::int),
    files_uploaded = greatest(files_uploaded, :files_uploaded::int),
    sync_lag_seconds = :sync_lag_seconds::float8
where job_id = :job_id
  and number = :attempt
  and (account_id = :account_id and outcome is null) is true
returning heartbeat_interval, phase, warning, checkpoint_files, agent_id, machine_id, container_group_id,
          (agent_id is null or exists (
            select from agents g
            where g.id = agent_id and g.last_seen_at < now() - make_interval(secs => :seen_every_seconds))) as unseen,
          exists (select from agents g where g.id = agent_id and g.draining_at is not null) as draining
