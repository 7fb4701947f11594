-- New events after a position, in the order of the feed. `settled` says that all transactions before this one have ended: what
-- is settled can be passed for good (rule 12), what is not may still be preceded by something that commits later.
select e.*, e.xid < pg_snapshot_xmin(pg_current_snapshot()) as settled
from job_events e
where (e.xid, e.id) > (:xid::xid8, :id::bigint)
order by e.xid, e.id
limit :batch
