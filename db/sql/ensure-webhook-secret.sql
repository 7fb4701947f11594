-- Nothing for an account that is gone by now: its deliveries went with it.
insert into webhook_secrets (account_id, sealed)
select id, :sealed from accounts where id = :account_id
on conflict do nothing
