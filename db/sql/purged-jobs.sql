-- Jobs that were removed longer ago than so many days, of which nothing is left but their events.
select job_id
from job_events
where type = 'PURGED' and at < statement_timestamp() - make_interval(days => :days)
order by at
limit :jobs
