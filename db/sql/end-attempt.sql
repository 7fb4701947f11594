-- Rule 2: the fence and the ending are one statement. It ends the newest attempt of a job that has not ended: a live one, or
-- one whose lease ran out and whose job nobody has claimed since (rule 3). No row: the lease is lost.
-- The job's row stays locked for the rest of the transaction, which settles what the ending means for the job.
-- The account is compared as in `renew-leases.sql`, by no index.
with job as materialized (
  select id, status
  from jobs
  where id = :job_id
    and (account_id = :account_id) is true
    and attempt_number = :attempt
    and (status = 'RUNNING' or (status = 'PENDING' and resumable_attempt = :attempt))
  for update
)
update attempts a
set outcome = :outcome,
    ended_by = :ended_by,
    ended_at = clock_timestamp(),
    reason = :reason,
    exit_code = :exit_code,
    signal = :signal,
    bytes_downloaded = greatest(a.bytes_downloaded, :bytes_downloaded::bigint),
    bytes_uploaded = greatest(a.bytes_uploaded, :bytes_uploaded::bigint),
    files_downloaded = greatest(a.files_downloaded, :files_downloaded::int),
    files_uploaded = greatest(a.files_uploaded, :files_uploaded::int)
from job
where a.job_id = job.id and a.number = :attempt
returning job.status = 'PENDING' as late, a.resumed, a.machine_id, a.agent_id, a.started_at, a.ended_at
