-- Where the feed stands now: nothing before it can appear any more.
select pg_snapshot_xmin(pg_current_snapshot())::text as xmin
