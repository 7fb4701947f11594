-- Machines of a group that work on a job, by their leases.
select distinct machine_id
from attempts
where account_id = :account_id and container_group_id = :group_id and outcome is null
