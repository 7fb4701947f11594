-- From now on this connection stands for the agent's presence, and no older one does. No row: a newer one stands for it already,
-- and this one was stuck on its way.
update agents
set connection_id = :connection_id, connection_number = coalesce(:number::int, connection_number), last_seen_at = now()
where id = :agent_id and coalesce(:number::int, connection_number) >= connection_number
returning id
