-- Agents are connected, by the database's clock. An agent that goes from one server to another is for a moment connected to both: both
-- write it down, in one order, so that neither waits for the other in a circle.
with held as materialized (
  select id from agents where id = any(:ids::uuid[]) order by id for no key update
),
seen as (
  update agents set last_seen_at = now() where id = any(array(select id from held)) returning id
)
select count(*)::int as seen from seen
