insert into webhook_secrets (account_id, sealed) values (:account_id, :sealed) on conflict do nothing
