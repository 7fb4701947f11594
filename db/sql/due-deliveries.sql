-- Takes due webhooks for one sender: the row is pushed into the future for as long as a try may take, so that a sender that
-- dies in the middle loses nothing and nobody sends the same row beside it.
with due as materialized (
  select id
  from webhook_deliveries
  where delivered_at is null and abandoned_at is null and next_try_at <= statement_timestamp()
  order by next_try_at
  limit :batch
  for update skip locked
)
update webhook_deliveries d
set tries = d.tries + 1,
    next_try_at = clock_timestamp() + make_interval(secs => :hold_seconds)
from due
where d.id = due.id
returning d.*
