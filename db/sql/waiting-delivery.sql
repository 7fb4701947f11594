-- Whether any webhook is neither delivered nor given up: the first one, by the index of those. Most of the time there is none, and what
-- follows of it need not be asked.
select account_id from webhook_deliveries where delivered_at is null and abandoned_at is null order by account_id limit 1
