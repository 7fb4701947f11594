create type api_key_role as enum (
  'OWNER',
  'SUBMITTER',
  'AGENT',
  'VIEWER'
);

create type attempt_outcome as enum (
  'COMPLETED',
  'FAILED',
  'SYNC_FAILED',
  'TIMED_OUT',
  'LOST',
  'RELEASED',
  'CANCELED'
);

create type attempt_phase as enum (
  'DOWNLOADING',
  'RUNNING',
  'UPLOADING'
);

create type audit_action as enum (
  'ACCOUNT_CREATED',
  'ACCOUNTS_CLEARED',
  'KEY_CREATED',
  'KEY_REVOKED',
  'RULE_CREATED',
  'RULE_UPDATED',
  'RULE_DELETED',
  'RULES_CLEARED',
  'JOBS_PURGED',
  'JOBS_CLEARED',
  'KEY_RESTORED'
);

create type ended_by as enum (
  'AGENT',
  'SERVER',
  'USER'
);

create type job_event_type as enum (
  'SUBMITTED',
  'CLAIMED',
  'PHASE_CHANGED',
  'PROGRESSED',
  'CHECKPOINT_SAVED',
  'ATTEMPT_ENDED',
  'ATTEMPT_RESUMED',
  'COMPLETED',
  'FAILED',
  'CANCELED',
  'RETRIED',
  'PURGED',
  'BAN_LIFTED',
  'WARNED'
);

create type job_status as enum (
  'PENDING',
  'RUNNING',
  'COMPLETED',
  'CANCELED',
  'FAILED'
);

create table accounts (
  id uuid not null default gen_random_uuid(),
  username text not null,
  created_at timestamp(3) with time zone not null default now(),
  organization text,
  organization_id text,
  webhook_key_id uuid
);

create table agents (
  id uuid not null default gen_random_uuid(),
  account_id uuid not null,
  machine_id text not null,
  container_group_id text not null,
  session_id uuid,
  version text,
  hardware jsonb,
  registered_at timestamp(3) with time zone not null default now(),
  last_seen_at timestamp(3) with time zone not null default now(),
  connection_id uuid,
  draining_at timestamp(3) with time zone,
  connection_number integer not null default 0,
  gpu_use jsonb,
  gpu_use_at timestamp(3) with time zone,
  retiring_at timestamp(3) with time zone
);

create table api_keys (
  id uuid not null default gen_random_uuid(),
  account_id uuid not null,
  hash text not null,
  encrypted text not null,
  role api_key_role not null,
  name text,
  created_at timestamp(3) with time zone not null default now(),
  expires_at timestamp(3) with time zone,
  revoked_at timestamp(3) with time zone,
  org_name text,
  project_name text
);

create table attempts (
  job_id uuid not null,
  number integer not null,
  account_id uuid not null,
  container_group_id text not null,
  machine_id text not null,
  agent_id uuid,
  phase attempt_phase,
  outcome attempt_outcome,
  ended_by ended_by,
  reason text,
  exit_code integer,
  signal text,
  started_at timestamp(3) with time zone not null default now(),
  ended_at timestamp(3) with time zone,
  heartbeat_interval integer not null,
  heartbeat_at timestamp(3) with time zone,
  lease_expires_at timestamp(3) with time zone not null,
  num_heartbeats integer not null default 0,
  progress jsonb,
  bytes_downloaded bigint not null default '0'::bigint,
  bytes_uploaded bigint not null default '0'::bigint,
  claim_id uuid,
  grace_given boolean not null default false,
  transfer jsonb,
  files_downloaded integer not null default 0,
  files_uploaded integer not null default 0,
  checkpoint_files integer not null default 0,
  checkpoint_bytes bigint not null default '0'::bigint,
  sync_lag_seconds double precision,
  warning text,
  progress_trace jsonb,
  progress_due_at timestamp(3) with time zone,
  transfer_due_at timestamp(3) with time zone,
  resumed boolean not null default false
);

create table audit_events (
  "position" bigint not null default nextval('audit_events_position_seq'::regclass),
  account_id uuid not null,
  key_id uuid,
  action audit_action not null,
  data jsonb not null,
  at timestamp(3) with time zone not null default clock_timestamp()
);

create table bans (
  job_id uuid not null,
  machine_id text not null,
  account_id uuid not null,
  attempt integer not null,
  reason text not null,
  created_at timestamp(3) with time zone not null default now()
);

create table event_horizon (
  id integer not null,
  xid xid8 not null default '0'::xid8,
  event_id bigint not null default '0'::bigint
);

create table job_events (
  id bigint not null default nextval('job_events_id_seq'::regclass),
  xid xid8 not null default pg_current_xact_id(),
  job_id uuid not null,
  seq integer not null,
  account_id uuid not null,
  container_group_id text not null,
  type job_event_type not null,
  attempt integer,
  data jsonb not null,
  at timestamp(3) with time zone not null default clock_timestamp()
);

create table job_logs (
  job_id uuid not null,
  attempt integer not null,
  "position" bigint not null,
  "offset" integer not null,
  lines integer not null,
  bytes integer not null,
  content jsonb not null
);

create table jobs (
  id uuid not null default gen_random_uuid(),
  "position" bigint not null default nextval('jobs_position_seq'::regclass),
  account_id uuid not null,
  api_key_id uuid not null,
  name text,
  status job_status not null default 'PENDING'::job_status,
  status_reason text,
  command text not null,
  arguments jsonb not null,
  environment jsonb not null,
  container_group_id text not null,
  sync jsonb,
  legacy_sync jsonb,
  compression boolean not null default false,
  webhook text,
  priority smallint not null default 0,
  labels jsonb not null,
  max_failures integer not null,
  max_interruptions integer,
  timeout_seconds integer,
  heartbeat_interval integer not null,
  num_failures integer not null default 0,
  num_interruptions integer not null default 0,
  num_sync_failures integer not null default 0,
  attempt_number integer not null default 0,
  resumable_attempt integer,
  machine_id text,
  event_seq integer not null default 0,
  idempotency_key text,
  request_hash text,
  created_at timestamp(3) with time zone not null default now(),
  started_at timestamp(3) with time zone,
  completed_at timestamp(3) with time zone,
  canceled_at timestamp(3) with time zone,
  failed_at timestamp(3) with time zone,
  stall_timeout_seconds integer,
  banned_machine_id text,
  last_checkpoint_at timestamp(3) with time zone,
  trace_parent text,
  retried_at timestamp(3) with time zone
);

create table reallocations (
  account_id uuid not null,
  container_group_id text not null,
  machine_id text not null,
  at timestamp(3) with time zone not null default clock_timestamp(),
  ok boolean not null default true
);

create table scaling_events (
  id bigint not null default nextval('scaling_events_id_seq'::regclass),
  account_id uuid not null,
  container_group_id text not null,
  at timestamp(3) with time zone not null default clock_timestamp(),
  wanted integer,
  reason text,
  ok boolean not null,
  message text not null,
  pending integer,
  running integer
);

create table scaling_rules (
  account_id uuid not null,
  container_group_id text not null,
  min_replicas integer not null,
  max_replicas integer not null,
  idle_threshold_seconds integer not null,
  org_name text,
  project_name text,
  created_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  group_name text,
  wanted integer,
  reason text,
  decided_at timestamp(3) with time zone,
  answer_ok boolean,
  answer text,
  answered_at timestamp(3) with time zone,
  next_action_at timestamp(3) with time zone default now(),
  failures integer not null default 0,
  orphaned_at timestamp(3) with time zone,
  turn uuid,
  turn_ends_at timestamp(3) with time zone,
  group_identity text
);

create table sealed_proof (
  id integer not null,
  sealed text not null
);

create table sweeps (
  id integer not null,
  at timestamp(3) with time zone not null default clock_timestamp()
);

create table webhook_deliveries (
  id uuid not null default gen_random_uuid(),
  account_id uuid not null,
  api_key_id uuid not null,
  job_id uuid not null,
  attempt integer not null,
  url text not null,
  status text not null,
  machine_id text,
  container_group_id text not null,
  tries integer not null default 0,
  next_try_at timestamp(3) with time zone not null default now(),
  last_error text,
  created_at timestamp(3) with time zone not null default now(),
  delivered_at timestamp(3) with time zone,
  abandoned_at timestamp(3) with time zone,
  "position" bigint not null default nextval('webhook_deliveries_position_seq'::regclass),
  lane integer not null default hashtext(lower(COALESCE("substring"(url, '//([^/?#]+)'::text), ''::text)))
);

create table webhook_secrets (
  account_id uuid not null,
  sealed text not null,
  previous text,
  previous_until timestamp(3) with time zone
);

create table webhook_tries (
  delivery_id uuid not null,
  number integer not null,
  at timestamp(3) with time zone not null default clock_timestamp(),
  milliseconds integer not null,
  status_code integer,
  error text,
  response text,
  response_blanked boolean not null default false
);

alter table accounts add constraint accounts_organization_room CHECK (((organization IS NULL) = (lower(username) !~~ 'salad:%'::text)));

alter table accounts add constraint accounts_organization_unique UNIQUE (organization);

alter table accounts add constraint accounts_organization_username CHECK ((username = ('salad:'::text || organization)));

alter table accounts add constraint accounts_pkey PRIMARY KEY (id);

alter table accounts add constraint accounts_username_unique UNIQUE (username);

alter table agents add constraint agents_account_id_foreign FOREIGN KEY (account_id) REFERENCES accounts(id) ON DELETE CASCADE;

alter table agents add constraint agents_pkey PRIMARY KEY (id);

alter table api_keys add constraint api_keys_account_id_foreign FOREIGN KEY (account_id) REFERENCES accounts(id) ON DELETE CASCADE;

alter table api_keys add constraint api_keys_hash_unique UNIQUE (hash);

alter table api_keys add constraint api_keys_pkey PRIMARY KEY (id);

alter table attempts add constraint attempts_job_id_foreign FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE;

alter table attempts add constraint attempts_pkey PRIMARY KEY (job_id, number);

alter table audit_events add constraint audit_events_pkey PRIMARY KEY ("position");

alter table bans add constraint bans_job_id_foreign FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE;

alter table bans add constraint bans_pkey PRIMARY KEY (job_id, machine_id);

alter table event_horizon add constraint event_horizon_pkey PRIMARY KEY (id);

alter table job_events add constraint job_events_pkey PRIMARY KEY (id);

alter table job_logs add constraint job_logs_job_id_attempt_foreign FOREIGN KEY (job_id, attempt) REFERENCES attempts(job_id, number) ON UPDATE CASCADE ON DELETE CASCADE;

alter table job_logs add constraint job_logs_pkey PRIMARY KEY (job_id, attempt, "position");

alter table jobs add constraint jobs_account_id_foreign FOREIGN KEY (account_id) REFERENCES accounts(id) ON DELETE CASCADE;

alter table jobs add constraint jobs_pkey PRIMARY KEY (id);

alter table reallocations add constraint reallocations_account_id_container_group_id_foreign FOREIGN KEY (account_id, container_group_id) REFERENCES scaling_rules(account_id, container_group_id) ON UPDATE CASCADE ON DELETE CASCADE;

alter table reallocations add constraint reallocations_pkey PRIMARY KEY (account_id, container_group_id, machine_id);

alter table scaling_events add constraint scaling_events_account_id_container_group_id_foreign FOREIGN KEY (account_id, container_group_id) REFERENCES scaling_rules(account_id, container_group_id) ON UPDATE CASCADE ON DELETE CASCADE;

alter table scaling_events add constraint scaling_events_pkey PRIMARY KEY (id);

alter table scaling_rules add constraint scaling_rules_account_id_foreign FOREIGN KEY (account_id) REFERENCES accounts(id) ON DELETE CASCADE;

alter table scaling_rules add constraint scaling_rules_group_identity_unique UNIQUE (group_identity);

alter table scaling_rules add constraint scaling_rules_pkey PRIMARY KEY (account_id, container_group_id);

alter table scaling_rules add constraint scaling_rules_range_check CHECK (((0 <= min_replicas) AND (min_replicas <= max_replicas)));

alter table sealed_proof add constraint sealed_proof_pkey PRIMARY KEY (id);

alter table sweeps add constraint sweeps_pkey PRIMARY KEY (id);

alter table webhook_deliveries add constraint webhook_deliveries_job_id_foreign FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE;

alter table webhook_deliveries add constraint webhook_deliveries_pkey PRIMARY KEY (id);

alter table webhook_secrets add constraint webhook_secrets_account_id_foreign FOREIGN KEY (account_id) REFERENCES accounts(id) ON UPDATE CASCADE ON DELETE CASCADE;

alter table webhook_secrets add constraint webhook_secrets_pkey PRIMARY KEY (account_id);

alter table webhook_tries add constraint webhook_tries_delivery_id_foreign FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries(id) ON DELETE CASCADE;

alter table webhook_tries add constraint webhook_tries_pkey PRIMARY KEY (delivery_id, number);

CREATE INDEX agents_account_index ON public.agents USING btree (account_id, registered_at, id);

CREATE INDEX agents_group_index ON public.agents USING btree (account_id, container_group_id);

CREATE INDEX agents_registered_index ON public.agents USING btree (registered_at);

CREATE UNIQUE INDEX agents_session_unique ON public.agents USING btree (account_id, session_id);

CREATE UNIQUE INDEX agents_worker_unique ON public.agents USING btree (account_id, container_group_id, machine_id) WHERE (session_id IS NULL);

CREATE INDEX api_keys_account_id_index ON public.api_keys USING btree (account_id);

CREATE UNIQUE INDEX attempts_claim_unique ON public.attempts USING btree (agent_id, claim_id) WHERE (claim_id IS NOT NULL);

CREATE INDEX attempts_lease_index ON public.attempts USING btree (lease_expires_at) WHERE (outcome IS NULL);

CREATE INDEX attempts_live_agent_index ON public.attempts USING btree (agent_id) WHERE (outcome IS NULL);

CREATE INDEX attempts_live_machine_index ON public.attempts USING btree (account_id, container_group_id, machine_id) WHERE (outcome IS NULL);

CREATE UNIQUE INDEX attempts_live_unique ON public.attempts USING btree (job_id) WHERE (outcome IS NULL);

CREATE INDEX audit_events_account_id_index ON public.audit_events USING btree (account_id, "position");

CREATE INDEX bans_machine_index ON public.bans USING btree (account_id, machine_id);

CREATE INDEX job_events_account_index ON public.job_events USING btree (account_id, xid, id);

CREATE INDEX job_events_position_index ON public.job_events USING btree (xid, id);

CREATE INDEX job_events_purged_index ON public.job_events USING btree (at) WHERE (type = 'PURGED'::job_event_type);

CREATE UNIQUE INDEX job_events_seq_unique ON public.job_events USING btree (job_id, seq);

CREATE INDEX jobs_account_id_position_index ON public.jobs USING btree (account_id, "position");

CREATE INDEX jobs_canceled_index ON public.jobs USING btree (account_id, container_group_id, canceled_at) WHERE (status = 'CANCELED'::job_status);

CREATE INDEX jobs_completed_index ON public.jobs USING btree (account_id, container_group_id, completed_at) WHERE (status = 'COMPLETED'::job_status);

CREATE INDEX jobs_ended_index ON public.jobs USING btree (COALESCE(completed_at, failed_at, canceled_at), "position") WHERE (status = ANY (ARRAY['COMPLETED'::job_status, 'FAILED'::job_status, 'CANCELED'::job_status]));

CREATE INDEX jobs_failed_index ON public.jobs USING btree (account_id, container_group_id, failed_at) WHERE (status = 'FAILED'::job_status);

CREATE INDEX jobs_group_index ON public.jobs USING btree (account_id, container_group_id, status, "position");

CREATE UNIQUE INDEX jobs_idempotency_key_unique ON public.jobs USING btree (account_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX jobs_queue_index ON public.jobs USING btree (account_id, container_group_id, priority DESC, "position") WHERE (status = 'PENDING'::job_status);

CREATE INDEX scaling_events_rule_index ON public.scaling_events USING btree (account_id, container_group_id, id);

CREATE INDEX scaling_rules_due_index ON public.scaling_rules USING btree (next_action_at);

CREATE INDEX webhook_deliveries_due_index ON public.webhook_deliveries USING btree (account_id, lane, next_try_at) WHERE ((delivered_at IS NULL) AND (abandoned_at IS NULL));

CREATE INDEX webhook_deliveries_job_index ON public.webhook_deliveries USING btree (job_id, "position");

CREATE INDEX webhook_deliveries_over_index ON public.webhook_deliveries USING btree (COALESCE(delivered_at, abandoned_at)) WHERE (COALESCE(delivered_at, abandoned_at) IS NOT NULL);

CREATE OR REPLACE FUNCTION public.claim_job(asking_account uuid, asking_group text, asking_machine text, asking_agent uuid, asking_claim uuid, bans_to_reallocate integer)
 RETURNS TABLE(is_barred boolean, job jobs)
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION public.job_events_position_fn()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$ begin new.xid := greatest(new.xid, (select e.xid from job_events e where e.job_id = new.job_id and e.seq = new.seq - 1)); return new; end; $function$
;

CREATE TRIGGER "position" BEFORE INSERT ON public.job_events FOR EACH ROW EXECUTE FUNCTION job_events_position_fn();
