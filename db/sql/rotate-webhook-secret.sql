-- The present secret becomes the previous one, which goes on signing for a while.
insert into webhook_secrets as s (account_id, sealed)
values (:account_id, :sealed)
on conflict (account_id) do update
set sealed = excluded.sealed,
    previous = s.sealed,
    previous_until = now() + make_interval(secs => :overlap_seconds)
