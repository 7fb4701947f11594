-- What became of one try. Without an error it is delivered; with one it is tried again after the wait, or abandoned when there is
-- none left.
with tried as (
  insert into webhook_tries (delivery_id, number, at, milliseconds, status_code, error, response)
  select id, :number, clock_timestamp() - make_interval(secs => :milliseconds::float8 / 1000), :milliseconds, :status_code,
         :error, :response
  from webhook_deliveries
  where id = :id
  on conflict do nothing
)
update webhook_deliveries
set delivered_at = case when :error::text is null then clock_timestamp() end,
    last_error = :error::text,
    next_try_at = clock_timestamp() + make_interval(secs => coalesce(:wait_seconds::float8, 0)),
    abandoned_at = case when :error::text is not null and :wait_seconds::float8 is null then clock_timestamp() end
where id = :id and delivered_at is null
