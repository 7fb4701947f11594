-- How far behind the bucket is, in seconds: what the agent said with its last heartbeat, and what has passed since by the clock
-- that judges (rule 13), so that it grows also while nothing is heard. Nothing unpublished stays nothing.
select job_id,
       case when sync_lag_seconds > 0
            then sync_lag_seconds + greatest(extract(epoch from clock_timestamp() - heartbeat_at), 0)
            else sync_lag_seconds
       end::float8 as seconds
from attempts
where job_id = any(:job_ids::uuid[]) and outcome is null and sync_lag_seconds is not null
