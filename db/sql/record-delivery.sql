-- What became of one try. Without an error it is delivered; with one it is tried again after the wait, or abandoned when there is
-- none left.
update webhook_deliveries
set delivered_at = case when :error::text is null then clock_timestamp() end,
    last_error = :error::text,
    next_try_at = clock_timestamp() + make_interval(secs => coalesce(:wait_seconds::float8, 0)),
    abandoned_at = case when :error::text is not null and :wait_seconds::float8 is null then clock_timestamp() end
where id = :id
