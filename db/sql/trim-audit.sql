-- An account's oldest audit events go when it has more than are kept.
delete from audit_events
where account_id = :account_id::uuid
  and position <= (
    select position
    from audit_events
    where account_id = :account_id::uuid
    order by position desc
    offset :most::int
    limit 1
  )
returning position
