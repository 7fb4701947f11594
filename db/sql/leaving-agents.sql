-- Which of these agents are asked to leave: at once, or when they have no job.
select id, draining_at is not null as drains
from agents
where id = any(:ids::uuid[]) and (draining_at is not null or retiring_at is not null)
