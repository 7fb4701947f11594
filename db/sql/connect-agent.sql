-- From now on this connection stands for the agent's presence, and no older one does.
update agents set connection_id = :connection_id, last_seen_at = now() where id = :agent_id
