-- The newest attempts of jobs that were read a moment ago, by the number that each had then.
select a.*
from unnest(:job_ids::uuid[], :numbers::int[]) as wanted (job_id, number)
join attempts a on a.job_id = wanted.job_id and a.number = wanted.number
