-- How far in a job's own count a position of the feed is. The newest are looked at first: who resumes was here a moment ago.
select seq
from job_events
where job_id = :job_id and (xid, id) <= (:xid::xid8, :id::bigint)
order by seq desc
limit 1
