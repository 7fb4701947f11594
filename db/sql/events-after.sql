-- New events after a position, in the order of the feed. `settled` says that all transactions before this one have ended: what
-- is settled can be passed for good (rule 12), what is not may still be preceded by something that commits later. `calm` says that
-- of those that have not ended all are old: of a transaction before :old.
with present as materialized (
  select pg_snapshot_xmin(pg_current_snapshot()) as oldest,
         pg_snapshot_xmax(pg_current_snapshot()) as head,
         (select x from pg_snapshot_xip(pg_current_snapshot()) x where x >= :old::xid8 order by x limit 1) as oldest_young
)
select e.*,
       e.xid < present.oldest as settled,
       e.xid < coalesce(present.oldest_young, present.head) as calm,
       present.head::text as head
from present
cross join lateral (
  select *
  from job_events
  where (xid, id) > (:xid::xid8, :id::bigint)
    and xid < case when :settled_only::boolean then present.oldest else '18446744073709551615'::xid8 end
  order by xid, id
  limit :batch
) e
order by e.xid, e.id
