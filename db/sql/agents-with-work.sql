-- Which of these agents would get a job if they asked: one is pending in their group that their machine is not banned from, and the machine
-- is not banned from so many that it gets none (rule 5). As that are few, few jobs are looked at for each: the first, by the queue's index.
select w.agent_id
from unnest(:agent_ids::uuid[], :account_ids::uuid[], :group_ids::text[], :machine_ids::text[])
  as w (agent_id, account_id, container_group_id, machine_id)
where (select count(*) from (select from bans b where b.account_id = w.account_id and b.machine_id = w.machine_id
                             limit :bans_to_reallocate::int) some_bans) < :bans_to_reallocate::int
  and (select j.id
       from jobs j
       where j.account_id = w.account_id
         and j.container_group_id = w.container_group_id
         and j.status = 'PENDING'
         and j.banned_machine_id is distinct from w.machine_id
         and (select b.job_id from bans b
              where b.job_id = j.id and b.machine_id = w.machine_id and b.account_id = w.account_id) is null
       order by j.priority desc, j.position
       limit 1) is not null
