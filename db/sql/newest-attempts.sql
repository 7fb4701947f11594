-- The newest attempts of jobs that were read a moment ago, by the number that each had then. The limit keeps it a look into the index for
-- each: a planner supposes that a hundred are wanted, and would rather read a whole table that is not very large.
select a.*
from unnest(:job_ids::uuid[], :numbers::int[]) as wanted (job_id, number)
cross join lateral (
  select * from attempts where job_id = wanted.job_id and number = wanted.number limit 1
) a
