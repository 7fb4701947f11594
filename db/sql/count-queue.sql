-- How much work a group has, each kind by an index and up to a bound; and when the first of what ended leaves the count.
select pending.count as pending, running.count as running, ended.count as ended,
       extract(epoch from ended.first + make_interval(secs => :idle_seconds) - clock_timestamp())::float8 as cooler_in_seconds
from (select count(*)::int as count
      from (select from jobs
            where account_id = :account_id and container_group_id = :group_id and status = 'PENDING'
            limit :most) one) pending,
     (select count(*)::int as count
      from (select from jobs
            where account_id = :account_id and container_group_id = :group_id and status = 'RUNNING'
            limit :most) one) running,
     (select count(*)::int as count, min(at) as first
      from (select at from (
              select completed_at as at from jobs
              where account_id = :account_id and container_group_id = :group_id and status = 'COMPLETED'
                and completed_at > clock_timestamp() - make_interval(secs => :idle_seconds)
              union all
              select failed_at from jobs
              where account_id = :account_id and container_group_id = :group_id and status = 'FAILED'
                and failed_at > clock_timestamp() - make_interval(secs => :idle_seconds)
              union all
              select canceled_at from jobs
              where account_id = :account_id and container_group_id = :group_id and status = 'CANCELED'
                and started_at is not null
                and canceled_at > clock_timestamp() - make_interval(secs => :idle_seconds)
            ) every
            limit :most) one) ended
