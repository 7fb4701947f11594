-- Looks at the next tries of webhooks after a place among them, and forgets what receivers answered to servers of a release that stored
-- it with the keys in it. Tells where it has come to; no row: that was all. What somebody holds is for the next time.
with looked as materialized (
  select delivery_id, number, response is not null and not response_blanked as is_unblanked
  from webhook_tries
  where (delivery_id, number) > (:delivery_id::uuid, :number::integer)
  order by delivery_id, number
  limit :batch
),
held as materialized (
  select t.delivery_id, t.number
  from looked
  join webhook_tries t on t.delivery_id = looked.delivery_id and t.number = looked.number
  where looked.is_unblanked
  for update of t skip locked
),
forgotten as (
  update webhook_tries t
  set response = null
  from held
  where t.delivery_id = held.delivery_id and t.number = held.number
  returning 1
)
select delivery_id, number,
       (select count(*)::int from looked) as looked,
       (select count(*)::int from forgotten) as forgotten
from looked
order by delivery_id desc, number desc
limit 1
