-- Where the feed stands now: nothing before it can appear any more. Transactions of other databases do not count.
select coalesce(
  (
    select x from pg_snapshot_xip(pg_current_snapshot()) x
    where x <> all (:elsewhere::xid8[])
    order by x limit 1
  ),
  pg_snapshot_xmax(pg_current_snapshot())
)::text as xid
