-- Removes events of jobs that have ended or are gone, and moves the horizon over them. A job's events go when the newest of them
-- is old enough, from the first on: so what is left of a history has no hole. The newest stands behind the others in the feed:
-- where it is settled, all are. A job that is retried meanwhile lost its events before that, for all that anybody can tell.
-- By their places in the table: the planner would rather read all of it than join a thousand rows whose number it does not know.
with ripe as materialized (
  select newest.job_id
  from unnest(:job_ids::uuid[]) as given (job_id)
  cross join lateral (
    select e.job_id, e.xid, e.at from job_events e where e.job_id = given.job_id order by e.seq desc limit 1
  ) newest
  where newest.at < statement_timestamp() - make_interval(days => :days)
    and newest.xid < pg_snapshot_xmin(pg_current_snapshot())
    and not exists (select from jobs j where j.id = newest.job_id and j.status in ('PENDING', 'RUNNING'))
),
doomed as materialized (
  select first.place
  from ripe
  cross join lateral (
    select e.ctid as place from job_events e where e.job_id = ripe.job_id order by e.seq limit :batch
  ) first
  limit :batch
),
gone as (
  delete from job_events where ctid = any (array(select place from doomed)) returning xid, id
),
moved as (
  update event_horizon h
  set xid = last.xid, event_id = last.id
  from (select xid, id from gone order by xid desc, id desc limit 1) last
  where (last.xid, last.id) > (h.xid, h.event_id)
)
select count(*)::int as removed from gone
