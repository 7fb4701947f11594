-- Running transactions of other databases of the cluster, which write no event of this one. All databases of a cluster count their
-- transactions together, and a snapshot does not tell whose they are. Whoever is at work stays in one database, so what was found of a
-- transaction is true for as long as it runs (:known). One that has ended since the snapshot was taken, or that is prepared, is found with
-- nobody, and counts as ours. Everybody may see in which database others are, and their transactions; of those, which are of 32 bits
-- there, no two that run are the same.
select x::text as xid
from pg_snapshot_xip(pg_current_snapshot()) x
where x = any (:known::xid8[])
   or exists (
     select from pg_stat_activity a
     where a.backend_xid = x::xid and a.datid <> (select oid from pg_database where datname = current_database())
   )
