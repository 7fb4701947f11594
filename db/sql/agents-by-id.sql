-- These agents, as they are, whosever they are: who asks looks whether they are its own.
select * from agents where id = any(:ids::uuid[])
