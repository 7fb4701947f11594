-- What became of one try. Without an error it is delivered; with one it is tried again after the wait, or abandoned when there is
-- none left. A sender that was frozen for so long that another one has tried since does not undo what that one found.
with tried as (
  insert into webhook_tries (delivery_id, number, at, milliseconds, status_code, error, response, response_blanked)
  select id, :number, clock_timestamp() - make_interval(secs => :milliseconds::float8 / 1000), :milliseconds, :status_code,
         :error, :response, true
  from webhook_deliveries
  where id = :id
  on conflict do nothing
),
forgotten as (
  -- Whoever sends one again and again by hand does not fill the table.
  delete from webhook_tries where delivery_id = :id and number <= :number - :kept_tries
),
recorded as (
  update webhook_deliveries
  set delivered_at = case when :error::text is null then clock_timestamp() end,
      last_error = :error::text,
      next_try_at = clock_timestamp() + make_interval(secs => coalesce(:wait_seconds::float8, 0)),
      abandoned_at = case when :error::text is not null and :wait_seconds::float8 is null then clock_timestamp() end
  where id = :id and delivered_at is null and (tries = :number or :error::text is null)
  returning job_id, position, tries, delivered_at is not null or abandoned_at is not null as is_over
)
-- What was put off until this one's next try need not wait for that any longer.
update webhook_deliveries later
set next_try_at = clock_timestamp()
from recorded
where later.job_id = recorded.job_id
  and later.position > recorded.position
  and later.tries = 0
  and later.next_try_at > clock_timestamp()
  and (recorded.is_over or recorded.tries >= :ordered_tries)
