-- The next jobs of one account that a filter names, locked, in the order of submission. A walk over them meets each job that is
-- active throughout exactly once, also one that is claimed or given back meanwhile: the lock waits for that, and both states
-- are asked for in one statement. A parameter that is null asks for nothing.
select id, status, position
from jobs
where account_id = :account_id
  and position > :after::bigint
  and position <= :up_to::bigint
  and status = any(:statuses::job_status[])
  and (:container_group_id::text is null or container_group_id = :container_group_id)
  and (:machine_id::text is null or machine_id = :machine_id)
  and (:labels::jsonb is null or labels @> :labels::jsonb)
  and (:ids::uuid[] is null or id = any(:ids))
  and (:search::text[] is null
       or concat_ws(' ', name, command, (select left(string_agg(argument, ' '), 8192) from jsonb_array_elements_text(arguments) argument),
                    machine_id, id) ilike all(:search))
order by position
limit :batch
for update
