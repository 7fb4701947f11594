-- Makes an agent known, or finds the one of the same session again. It may not know its hardware yet when it first comes.
insert into agents (account_id, machine_id, container_group_id, session_id, version, hardware)
values (:account_id, :machine_id, :container_group_id, :session_id, :version, :hardware)
on conflict (account_id, session_id) do update
set machine_id = excluded.machine_id,
    container_group_id = excluded.container_group_id,
    version = excluded.version,
    hardware = coalesce(excluded.hardware, agents.hardware),
    last_seen_at = now()
returning *
