-- A try that was broken off because its server stops counts for nothing: another server may send it now.
update webhook_deliveries
set tries = tries - 1, next_try_at = clock_timestamp()
where id = :id and tries = :number and delivered_at is null
