-- How many jobs wait in each of these groups, counted up to `most`; groups in which none does are left out. The queue's partial index
-- gives them, whatever the backlog and the history.
select g.account_id, g.container_group_id, waiting.jobs
from unnest(:account_ids::uuid[], :group_ids::text[]) as g (account_id, container_group_id)
cross join lateral (
  select count(*)::int as jobs
  from (
    select
    from jobs j
    where j.account_id = g.account_id and j.container_group_id = g.container_group_id and j.status = 'PENDING'
    order by j.priority desc, j.position
    limit :most::int
  ) next
) waiting
where waiting.jobs > 0
