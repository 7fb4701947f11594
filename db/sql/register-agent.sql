-- Makes an agent known, or finds the one of the same session again. It may not know its hardware yet when it first comes. Where no
-- more may become known just now, only one that is already known is found. What it says again is not written again, however often: of
-- its hardware that would be kilobytes each time.
insert into agents (account_id, machine_id, container_group_id, session_id, version, hardware)
select :account_id::uuid, :machine_id::text, :container_group_id::text, :session_id::uuid, :version::text, :hardware::jsonb
where :may_come::boolean
   or exists (select from agents where account_id = :account_id::uuid and session_id = :session_id::uuid)
on conflict (account_id, session_id) do update
set machine_id = excluded.machine_id,
    container_group_id = excluded.container_group_id,
    version = excluded.version,
    hardware = case
                 when excluded.hardware is null or excluded.hardware = agents.hardware then agents.hardware
                 else excluded.hardware
               end,
    last_seen_at = case
                     when agents.last_seen_at < now() - make_interval(secs => :seen_every_seconds) then now()
                     else agents.last_seen_at
                   end
-- Of a row that was updated this is the transaction that did so.
returning *, xmax = 0 as is_new
