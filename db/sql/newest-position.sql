-- Where an account's list of jobs ends now: a walk that stops there ends, however fast jobs are submitted.
select coalesce(max(position), 0)::text as position from jobs where account_id = :account_id
