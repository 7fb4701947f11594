-- Where the feed may be read to now, and whether events wait above that mark.
select pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
       exists (select from job_events where xid >= pg_snapshot_xmin(pg_current_snapshot())) as behind
