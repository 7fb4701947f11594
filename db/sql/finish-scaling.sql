-- What came of a turn, unless it was taken over; a rule that was changed meanwhile is due again, one whose queue changed in a second.
-- Only what is new makes history, of which the last rows are kept: what was wanted or done, and a queue that has changed by a tenth, as
-- within a rule's bounds it may without any of that. Of one that changes all the time a row a minute is enough: decisions are kept in the
-- same number of rows.
with done as (
  update scaling_rules r
  set turn = null, turn_ends_at = null,
      group_name = coalesce(:group_name::text, r.group_name),
      wanted = coalesce(:wanted::int, r.wanted),
      reason = coalesce(:reason::text, r.reason),
      decided_at = case when :wanted::int is null then r.decided_at else clock_timestamp() end,
      answer_ok = :ok::boolean, answer = :message::text, answered_at = clock_timestamp(),
      failures = case when :ok::boolean then 0 else least(r.failures + 1, 1000) end,
      group_identity = case when :orphaned::boolean then null else r.group_identity end,
      orphaned_at = case when :orphaned::boolean and r.updated_at = :updated_at::timestamptz then clock_timestamp() end,
      next_action_at = case
        when r.updated_at <> :updated_at::timestamptz then clock_timestamp()
        when :orphaned::boolean then null
        when :ok::boolean then least(
          greatest(r.next_action_at, clock_timestamp() + make_interval(secs => 1)),
          clock_timestamp() + make_interval(secs => :next_seconds))
        else clock_timestamp() + make_interval(secs => :next_seconds) end
  from (select account_id, container_group_id, wanted, answer_ok, answer from scaling_rules where turn = :turn::uuid for update) old
  where r.account_id = old.account_id and r.container_group_id = old.container_group_id
  returning r.account_id, r.container_group_id, r.reason, r.wanted, r.next_action_at,
            (:acted::boolean or old.wanted is distinct from r.wanted or old.answer_ok is distinct from r.answer_ok
             or (not :ok::boolean and old.answer is distinct from r.answer)
             or exists (
               select from (
                 select e.at, e.pending, e.running from scaling_events e
                 where e.account_id = r.account_id and e.container_group_id = r.container_group_id
                 order by e.id desc limit 1
               ) last
               where last.at <= clock_timestamp() - make_interval(secs => :queue_seconds)
                 and ((last.pending is null and :pending::int is not null)
                      or abs(:pending::int - last.pending) * 10 > greatest(:pending::int, last.pending)
                      or abs(:running::int - last.running) * 10 > greatest(:running::int, last.running))
             )) as is_news
),
written as (
  insert into scaling_events (account_id, container_group_id, wanted, reason, pending, running, ok, message)
  select account_id, container_group_id, wanted, reason, :pending::int, :running::int, :ok::boolean, :message::text
  from done where is_news
),
trimmed as (
  delete from scaling_events e
  using done d
  where e.account_id = d.account_id and e.container_group_id = d.container_group_id
    and e.id <= (select o.id from scaling_events o
                 where o.account_id = d.account_id and o.container_group_id = d.container_group_id
                 order by o.id desc offset :kept::int - 1 limit 1)
)
select extract(epoch from next_action_at - clock_timestamp())::float8 as due_in_seconds from done
