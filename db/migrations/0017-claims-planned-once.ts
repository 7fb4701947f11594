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
 * indexes: what is switched off here would be chosen for a small table, and stay when it has grown. Where several indexes could serve, of
 * which a small table cannot tell the best, the statement is given as text, and planned anew: those are short.
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
  execute 'select count(*) >= $3 from (select from bans where account_id = $1 and machine_id = $2 limit $3) some_bans'
    into is_barred using asking_account, asking_machine, bans_to_reallocate;

  -- The answer to this very claim may have been lost with its connection: then the job that it took is given again.
  if asking_claim is not null then
    execute 'select job_id, outcome from attempts where agent_id = $1 and claim_id = $2 and account_id = $3'
      into earlier using asking_agent, asking_claim, asking_account;
    if earlier.job_id is not null and earlier.outcome is null then
      select j.* into job from jobs j where j.id = earlier.job_id;
      return next;
      return;
    end if;
    -- What it once took has ended meanwhile: this is a new claim, which can no longer be told from that one by its id.
    if earlier.job_id is not null then
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
        -- No join, and within the account: either index of bans may serve, and by either few are read, as the machine is not barred.
        and (
          select b.job_id from bans b
          where b.job_id = q.id and b.machine_id = asking_machine and b.account_id = asking_account
        ) is null
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
