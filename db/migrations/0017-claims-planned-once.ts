import { Migration } from '@mikro-orm/migrations';

/**
 * A claim as a function. Two thirds of its cost was planning one large statement anew each time; the plans of a function's statements are
 * kept, by each connection of the database, whoever may be using it: a pooler has nothing to know of them.
 */
export class ClaimsPlannedOnce extends Migration {
  override up(): void {
    this.addSql(CLAIM_JOB);
  }
}

/**
 * A plan that is kept must not be one that was made for an empty queue. So it is made once, for no values in particular, and only by the
 * indexes, of which each step has one: what is switched off here would be chosen for a small table, and stay when it has grown.
 *
 * Servers of two releases may call it at once, so it is never changed: another way of claiming is a function of another name, and this one
 * goes a release later.
 */
const CLAIM_JOB = `
create function claim_job(asking_account uuid, asking_group text, asking_machine text, asking_agent uuid, asking_claim uuid,
                          bans_to_reallocate integer)
returns table (is_barred boolean, job jobs)
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  earlier record;
begin
  -- Rule 5: a machine that is banned from so many jobs is to be reallocated, and gets nothing more.
  is_barred := bans_to_reallocate <= (
    select count(*)
    from (select from bans b where b.account_id = asking_account and b.machine_id = asking_machine limit bans_to_reallocate) some_bans
  );

  -- The answer to this very claim may have been lost with its connection: then the job that it took is given again.
  if asking_claim is not null then
    select a.job_id, a.outcome into earlier
    from attempts a
    where a.agent_id = asking_agent and a.claim_id = asking_claim and a.account_id = asking_account;
    if found and earlier.outcome is null then
      select j.* into job from jobs j where j.id = earlier.job_id;
      return next;
      return;
    end if;
    -- What it once took has ended meanwhile: this is a new claim, which can no longer be told from that one by its id.
    if found then
      asking_claim := null;
    end if;
  end if;

  if not is_barred then
    -- Rule 6. Two claimers can't take the same row: SKIP LOCKED passes over what another is taking. The queue's partial index gives
    -- the first row at once, whatever the backlog and the history.
    update jobs j
    set status = 'RUNNING',
        status_reason = null,
        machine_id = asking_machine,
        attempt_number = j.attempt_number + 1,
        resumable_attempt = null,
        started_at = coalesce(j.started_at, now()),
        event_seq = j.event_seq + 1
    where j.id = (
      select q.id
      from jobs q
      where q.account_id = asking_account
        and q.container_group_id = asking_group
        and q.status = 'PENDING'
        and q.banned_machine_id is distinct from asking_machine
        -- No join, which might be planned the other way round, and would read all bans of the machine then.
        and (select b.job_id from bans b where b.job_id = q.id and b.machine_id = asking_machine) is null
      order by q.priority desc, q.position
      limit 1
      for update of q skip locked
    )
    returning j.* into job;
  end if;

  -- Rule 11: the attempt, its event and its webhook exist exactly when the job is running.
  if job.id is not null then
    insert into attempts (job_id, number, account_id, container_group_id, machine_id, agent_id, claim_id,
                          heartbeat_interval, lease_expires_at)
    values (job.id, job.attempt_number, job.account_id, job.container_group_id, asking_machine, asking_agent, asking_claim,
            job.heartbeat_interval, clock_timestamp() + make_interval(secs => 2 * job.heartbeat_interval));
    insert into job_events (job_id, seq, account_id, container_group_id, type, attempt, data)
    values (job.id, job.event_seq, job.account_id, job.container_group_id, 'CLAIMED', job.attempt_number,
            jsonb_build_object('machineId', asking_machine, 'agentId', asking_agent));
    if job.webhook is not null then
      insert into webhook_deliveries (account_id, api_key_id, job_id, attempt, url, status, machine_id, container_group_id)
      values (job.account_id, job.api_key_id, job.id, job.attempt_number, job.webhook, 'running', asking_machine,
              job.container_group_id);
    end if;
  end if;
  return next;
end
$function$`;
