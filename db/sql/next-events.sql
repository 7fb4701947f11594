-- What comes next of jobs' histories, each after a seq: for all who follow jobs in one statement. `place` says which of the places it is,
-- counted from 1.
select wanted.place::int as place, e.*
from unnest(:job_ids::uuid[], :after_seqs::int[]) with ordinality as wanted (job_id, after_seq, place)
cross join lateral (
  select * from job_events where job_id = wanted.job_id and seq > wanted.after_seq order by seq limit :batch
) e
order by wanted.place, e.seq
