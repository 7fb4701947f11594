-- How busy the GPUs of a living attempt's agent are (rule 2: the fence and the write are one statement), at most so often. The
-- sample is somewhat older than its report.
-- Account and outcome are asked for as in `renew-leases.sql`, by no index.
update agents g
set gpu_use = :gpu_use::jsonb, gpu_use_at = now() - make_interval(secs => :age_seconds), last_seen_at = now()
from attempts a
where a.job_id = :job_id
  and a.number = :attempt
  and (a.account_id = :account_id and a.outcome is null) is true
  and g.id = a.agent_id
  and (g.gpu_use_at is null or g.gpu_use_at < now() - make_interval(secs => :at_most_every_seconds))
returning g.id
