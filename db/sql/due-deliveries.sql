-- Takes due webhooks for one sender: each row is pushed into the future for as long as a try may take, so that a sender that
-- dies in the middle loses nothing and nobody sends the same row beside it.
-- A lane is what one account sends to one host. Accounts, and the lanes of each, are found by the index one after another, so ten
-- thousand rows for a slow host are not looked at, and hold up nobody. An account with very many lanes shows some of them,
-- beginning anywhere, so that none is always the last. Who has least under way comes first: account before account, lane before
-- lane.
-- Of a job, a later state waits for the earlier one until that has failed a few times. While the earlier one waits for its next
-- try, the later one is put off to that time: otherwise all that piles up during an outage would be looked at again every time.
with recursive some_accounts (account_id) as (
  (
    select account_id from webhook_deliveries
    where delivered_at is null and abandoned_at is null
    order by account_id
    limit 1
  )
  union all
  select (
    select d.account_id from webhook_deliveries d
    where d.account_id > a.account_id and d.delivered_at is null and d.abandoned_at is null
    order by d.account_id
    limit 1
  )
  from some_accounts a
  where a.account_id is not null
),
rooms as materialized (
  select account_id, coalesce((:in_flight::jsonb ->> account_id::text)::int, 0) as under_way
  from some_accounts
  where account_id is not null and coalesce((:in_flight::jsonb ->> account_id::text)::int, 0) < :per_account
),
lanes as materialized (
  select
    r.account_id, r.under_way as account_under_way, l.lane,
    coalesce((:in_flight::jsonb ->> (r.account_id || '/' || l.lane))::int, 0) as under_way
  from rooms r
  cross join lateral (
    with recursive ahead (lane) as (
      (
        select w.lane from webhook_deliveries w
        where w.account_id = r.account_id and w.lane >= :start_lane and w.delivered_at is null and w.abandoned_at is null
        order by w.lane
        limit 1
      )
      union all
      select (
        select w.lane from webhook_deliveries w
        where w.account_id = r.account_id and w.lane > ahead.lane and w.delivered_at is null and w.abandoned_at is null
        order by w.lane
        limit 1
      )
      from ahead
      where ahead.lane is not null
    ),
    behind (lane) as (
      (
        select w.lane from webhook_deliveries w
        where w.account_id = r.account_id and w.lane < :start_lane and w.delivered_at is null and w.abandoned_at is null
        order by w.lane
        limit 1
      )
      union all
      select (
        select w.lane from webhook_deliveries w
        where w.account_id = r.account_id and w.lane > behind.lane and w.lane < :start_lane
          and w.delivered_at is null and w.abandoned_at is null
        order by w.lane
        limit 1
      )
      from behind
      where behind.lane is not null
    )
    select lane from (select lane from ahead union all select lane from behind) walked
    where lane is not null
    limit 500
  ) l
),
looked as materialized (
  select l.*, d.id, d.next_try_at, d.is_blocked, d.blocked_until
  from lanes l
  cross join lateral (
    select w.id, w.next_try_at, earlier.is_blocked, earlier.blocked_until
    from webhook_deliveries w
    cross join lateral (
      select
        count(*) > 0 as is_blocked,
        -- Only while its last try is over: one that is under way may be delivered in a moment.
        max(e.next_try_at) filter (
          where exists (select from webhook_tries t where t.delivery_id = e.id and t.number = e.tries)
        ) as blocked_until
      from webhook_deliveries e
      where e.job_id = w.job_id
        and e.position < w.position
        -- Not as the index of what is due has it: by that one a planner without statistics reads the whole backlog for each row.
        and coalesce(e.delivered_at, e.abandoned_at) is null
        and e.tries < :ordered_tries
    ) earlier
    where w.account_id = l.account_id
      and w.lane = l.lane
      and w.delivered_at is null
      and w.abandoned_at is null
      and w.next_try_at <= statement_timestamp()
    order by w.next_try_at
    limit 100
  ) d
  where l.under_way < :per_lane
),
by_lane as (
  select id, account_id, account_under_way, under_way + row_number() over (partition by account_id, lane order by next_try_at) as rank
  from looked
  where not is_blocked
),
by_account as (
  select id, account_under_way + row_number() over (partition by account_id order by rank, random()) as rank
  from by_lane
  where rank <= :per_lane
),
chosen as materialized (
  (select id, null::timestamptz as put_off from by_account where rank <= :per_account order by rank, random() limit :batch)
  union all
  (select id, blocked_until from looked where is_blocked and blocked_until > statement_timestamp() limit 1000)
),
held as materialized (
  -- Another sender may have been quicker since: what it holds is passed over, what it has taken is not due any more.
  -- By their ids as a list: a planner that guesses how many were chosen reads the whole table beside them.
  select d.id
  from webhook_deliveries d
  where d.id = any (array(select id from chosen))
    and d.delivered_at is null and d.abandoned_at is null and d.next_try_at <= statement_timestamp()
  for update skip locked
)
update webhook_deliveries d
set tries = d.tries + (c.put_off is null)::int,
    next_try_at = coalesce(c.put_off, clock_timestamp() + make_interval(secs => :hold_seconds))
from chosen c
where d.id = any (array(select id from held)) and c.id = d.id
returning d.*, c.put_off is null as is_taken
