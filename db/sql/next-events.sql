-- What comes next of jobs' histories, each after a seq: for all who follow jobs in one statement.
select wanted.after_seq, e.*
from unnest(:job_ids::uuid[], :after_seqs::int[]) as wanted (job_id, after_seq)
cross join lateral (
  select * from job_events where job_id = wanted.job_id and seq > wanted.after_seq order by seq limit :batch
) e
order by e.job_id, wanted.after_seq, e.seq
