-- Which of those who follow logs have something to read: one question for all of them.
select follower.n::int as number
from unnest(:job_ids::uuid[], :attempts::int[], :positions::bigint[]) with ordinality as follower (job_id, attempt, position, n)
where exists (
  select
  from job_logs l
  where l.job_id = follower.job_id and l.attempt = follower.attempt and l.position >= follower.position
)
