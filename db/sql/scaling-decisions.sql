-- What a rule newly wanted or did and what went wrong there, newest first, without the entries between that are of its queue alone. The
-- oldest entry that is kept stands for what was decided before it. Read backwards by the index of the history, no further than needed.
select id, account_id, container_group_id, at, wanted, reason, pending, running, ok, message
from (
  select e.*,
         lead(e.id) over before is null as is_first,
         (e.wanted, e.ok, e.message) is distinct from
           (lead(e.wanted) over before, lead(e.ok) over before, lead(e.message) over before) as is_decision
  from scaling_events e
  where e.account_id = :account_id and e.container_group_id = :group_id
  window before as (order by e.id desc)
) history
where is_first or is_decision
order by id desc
limit :first
