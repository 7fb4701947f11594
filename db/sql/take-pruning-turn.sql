-- One server at a time removes what is old. The lock goes with the transaction, so it needs no connection of its own, and a server
-- that dies leaves none behind. 30 is only our number.
select pg_try_advisory_xact_lock(30, 0) as ours
