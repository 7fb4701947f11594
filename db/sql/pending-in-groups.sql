-- The jobs that wait in each of these groups, the next ones first, at most `most` of each; groups in which none does are left out. The
-- queue's partial index gives them, whatever the backlog and the history.
select g.account_id, g.container_group_id, waiting.job_ids
from unnest(:account_ids::uuid[], :group_ids::text[]) as g (account_id, container_group_id)
cross join lateral (
  select array_agg(next.id) as job_ids
  from (
    select j.id
    from jobs j
    where j.account_id = g.account_id and j.container_group_id = g.container_group_id and j.status = 'PENDING'
    order by j.priority desc, j.position
    limit :most::int
  ) next
) waiting
where waiting.job_ids is not null
