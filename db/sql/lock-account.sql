-- Whoever counts an account's keys or rules before adding one goes one after the other. It does not hold up those who only
-- refer to the account: jobs are submitted meanwhile.
select id from accounts where id = :account_id for no key update
