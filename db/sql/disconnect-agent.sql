-- This connection no longer stands for the agent's presence. Nothing happens when another one does already.
update agents set connection_id = null where id = :agent_id and connection_id = :connection_id
