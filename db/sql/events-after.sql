-- Rule 12: events of transactions below the oldest one still running. Nothing can appear below that mark any more, so a
-- reader that stays under it skips nothing and sees nothing twice, although transactions commit out of order.
-- xmin comes along also when there is no event; `behind` says that newer ones wait above the mark.
select e.*
from job_events e
where (e.xid, e.id) > (:xid::xid8, :id::bigint)
  and e.xid < pg_snapshot_xmin(pg_current_snapshot())
order by e.xid, e.id
limit :batch
