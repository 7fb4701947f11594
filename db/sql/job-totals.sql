-- What all attempts at a job add up to: they may have run on many machines.
select job_id,
       least(sum(num_heartbeats), 2147483647)::int as num_heartbeats,
       sum(extract(epoch from coalesce(ended_at, clock_timestamp()) - started_at))::float8 as run_seconds
from attempts
where job_id = any(:job_ids::uuid[])
group by job_id
