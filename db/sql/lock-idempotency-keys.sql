-- Rule 14: submissions that share an idempotency key go one after the other, so that the second finds what the first has
-- stored. Taken in one order, whatever the order of the batch, so that two batches never wait for each other in a ring; keys
-- share 64 locks per database, so that a batch of a thousand does not fill PostgreSQL's lock table. 14 is only our number.
select pg_advisory_xact_lock(14, bucket)
from (
  select distinct hashtext(:account_id || key) & 63 as bucket
  from unnest(:keys::text[]) as key
  order by 1
) buckets
