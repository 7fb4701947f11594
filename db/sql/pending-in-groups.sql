-- How many jobs wait in each of these groups, counted to `most`; those in which none does are left out. The queue's partial index
-- gives them, whatever the backlog and the history.
select g.account_id, g.container_group_id, waiting.pending
from unnest(:account_ids::uuid[], :group_ids::text[]) as g (account_id, container_group_id)
cross join lateral (
  select count(*)::int as pending
  from (
    select
    from jobs j
    where j.account_id = g.account_id and j.container_group_id = g.container_group_id and j.status = 'PENDING'
    limit :most::int
  ) counted
) waiting
where waiting.pending > 0
