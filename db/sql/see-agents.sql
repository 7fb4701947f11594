-- Agents are connected, by the database's clock.
update agents set last_seen_at = now() where id = any(:ids::uuid[]) returning id
