-- New events after a position, in the order of the feed. `settled` says that all transactions before this one have ended, but for
-- those of other databases: what is settled can be passed for good (rule 12), what is not may still be preceded by something that commits
-- later. `calm` says that of those that have not ended all are old: of a transaction before :old.
with running as materialized (
  select x as xid from pg_snapshot_xip(pg_current_snapshot()) x where x <> all (:elsewhere::xid8[])
),
present as materialized (
  select pg_snapshot_xmax(pg_current_snapshot()) as head,
         (select xid from running order by xid limit 1) as oldest,
         (select xid from running where xid >= :old::xid8 order by xid limit 1) as oldest_young
)
select e.*,
       e.xid < coalesce(present.oldest, present.head) as settled,
       e.xid < coalesce(present.oldest_young, present.head) as calm,
       present.head::text as head
from present
cross join lateral (
  select *
  from job_events
  where (xid, id) > (:xid::xid8, :id::bigint)
    and xid < case when :settled_only::boolean then coalesce(present.oldest, present.head) else '18446744073709551615'::xid8 end
  order by xid, id
  limit :batch
) e
order by e.xid, e.id
