-- A sign of life of a polling worker, which has no session: it is known by its machine and group. Most come sooner than they
-- matter, and write nothing.
insert into agents (account_id, machine_id, container_group_id)
values (:account_id, :machine_id, :container_group_id)
on conflict (account_id, container_group_id, machine_id) where session_id is null do update
set last_seen_at = now()
where agents.last_seen_at < now() - make_interval(secs => :seen_every_seconds)
returning id
