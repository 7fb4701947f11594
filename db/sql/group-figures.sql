-- What there is to know of container groups of one account, at a cost that grows with their queues, their fleets and the last day,
-- and not with their history: each count reads one index.
select asked.id,
       coalesce(queue.pending, 0)::int as pending,
       coalesce(queue.by_priority, '[]') as by_priority,
       oldest.created_at as oldest_pending_at,
       running.count::int as running,
       completed.count::int as completed,
       completed.last_hour::int as completed_last_hour,
       failed.count::int as failed,
       canceled.count::int as canceled,
       agents.idle::int as idle,
       agents.busy::int as busy,
       agents.draining::int as draining,
       agents.gone::int as gone,
       recent.jobs::int as sampled_jobs,
       recent.median_seconds as median_run_seconds
from unnest(:ids::text[]) with ordinality asked (id, place)
cross join lateral (
  select sum(each.count) as pending,
         min(each.oldest) as oldest,
         jsonb_agg(jsonb_build_object('priority', each.priority, 'pending', each.count) order by each.priority desc) as by_priority
  from (
    select j.priority, count(*) as count, min(j.position) as oldest
    from jobs j
    where j.account_id = :account_id and j.container_group_id = asked.id and j.status = 'PENDING'
    group by j.priority
  ) each
) queue
left join jobs oldest on oldest.account_id = :account_id and oldest.position = queue.oldest
cross join lateral (
  select count(*) from jobs j
  where j.account_id = :account_id and j.container_group_id = asked.id and j.status = 'RUNNING'
) running
cross join lateral (
  select count(*), count(*) filter (where j.completed_at > now() - interval '1 hour') as last_hour
  from jobs j
  where j.account_id = :account_id and j.container_group_id = asked.id and j.status = 'COMPLETED'
    and j.completed_at > now() - interval '1 day'
) completed
cross join lateral (
  select count(*) from jobs j
  where j.account_id = :account_id and j.container_group_id = asked.id and j.status = 'FAILED'
    and j.failed_at > now() - interval '1 day'
) failed
cross join lateral (
  select count(*) from jobs j
  where j.account_id = :account_id and j.container_group_id = asked.id and j.status = 'CANCELED'
    and j.canceled_at > now() - interval '1 day'
) canceled
cross join lateral (
  select count(*) filter (where each.state = 'IDLE') as idle,
         count(*) filter (where each.state = 'BUSY') as busy,
         count(*) filter (where each.state = 'DRAINING') as draining,
         count(*) filter (where each.state = 'GONE') as gone
  from (
    select case
             when g.last_seen_at < now() - make_interval(secs => :gone_after_seconds) and not held.holds then 'GONE'
             when g.draining_at is not null then 'DRAINING'
             when held.holds then 'BUSY'
             else 'IDLE'
           end as state
    from agents g
    -- By sets, not by one look-up for each agent.
    cross join lateral (
      select g.id in (
               select a.agent_id from attempts a
               where a.account_id = :account_id and a.container_group_id = asked.id and a.outcome is null
                 and a.lease_expires_at > now() and a.agent_id is not null)
          or g.session_id is null and g.machine_id in (
               select a.machine_id from attempts a
               where a.account_id = :account_id and a.container_group_id = asked.id and a.outcome is null
                 and a.lease_expires_at > now() and a.agent_id is null) as holds
    ) held
    where g.account_id = :account_id and g.container_group_id = asked.id
  ) each
) agents
-- What the last jobs that completed took, on all machines together.
cross join lateral (
  select count(*) as jobs, percentile_cont(0.5) within group (order by took.seconds) as median_seconds
  from (
    select j.id from jobs j
    where j.account_id = :account_id and j.container_group_id = asked.id and j.status = 'COMPLETED'
      and j.completed_at > now() - interval '1 day'
    order by j.completed_at desc
    limit :sample
  ) last_done
  cross join lateral (
    select extract(epoch from sum(a.ended_at - a.started_at))::float8 as seconds from attempts a where a.job_id = last_done.id
  ) took
) recent
order by asked.place
