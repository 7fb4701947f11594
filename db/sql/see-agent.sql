-- A sign of life of an agent that no server watches. Most come sooner than they matter, and write nothing.
update agents
set last_seen_at = now()
where id = :agent_id and last_seen_at < now() - make_interval(secs => :seen_every_seconds)
returning id
