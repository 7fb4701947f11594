-- Rule 6: the oldest job of the highest priority of the asking account and group that the machine is not banned from, running from now on.
-- How it is taken is a function of the database (migration 0017), so that it is not planned anew for each claim.
-- There is always one row: without a job it says at least whether its machine gets none whatever comes.
select c.is_barred, (c.job).*
from claim_job(:account_id::uuid, :container_group_id::text, :machine_id::text, :agent_id::uuid, :claim_id::uuid, :bans_to_reallocate::int) c
