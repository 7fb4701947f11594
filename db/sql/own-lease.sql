-- Whether an account has, or had an hour ago, the lease that is named by its attempt's number, or by the machine that holds it.
select a.number
from attempts a
where a.job_id = :job_id
  and a.account_id = :account_id
  and (a.number = :attempt::bigint or a.machine_id = :machine_id)
  and (a.outcome is null or a.ended_at > clock_timestamp() - interval '1 hour')
limit 1
