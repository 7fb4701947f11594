-- A sign of life of a polling worker, which has no session: it is known by its machine and group. Most come sooner than they
-- matter, and write nothing. Where no more may become known just now, only one that is already known is seen.
insert into agents (account_id, machine_id, container_group_id)
select :account_id::uuid, :machine_id::text, :container_group_id::text
where :may_come::boolean
   or exists (
     select from agents
     where account_id = :account_id::uuid
       and container_group_id = :container_group_id::text
       and machine_id = :machine_id::text
       and session_id is null)
on conflict (account_id, container_group_id, machine_id) where session_id is null do update
set last_seen_at = now()
where agents.last_seen_at < now() - make_interval(secs => :seen_every_seconds)
returning id, xmax = 0 as is_new
