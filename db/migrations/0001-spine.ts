import { Migration } from '@mikro-orm/migrations';

/** Accounts and keys, jobs, attempts, bans, events, webhook deliveries, agents. */
export class Spine extends Migration {
  override up(): void {
    this.addSql(`
    create type "api_key_role" as enum ('OWNER', 'SUBMITTER', 'AGENT', 'VIEWER');
    create type "job_status" as enum ('PENDING', 'RUNNING', 'COMPLETED', 'CANCELED', 'FAILED');
    create type "attempt_phase" as enum ('DOWNLOADING', 'RUNNING', 'UPLOADING');
    create type "attempt_outcome" as enum ('COMPLETED', 'FAILED', 'SYNC_FAILED', 'TIMED_OUT', 'LOST', 'RELEASED', 'CANCELED');
    create type "ended_by" as enum ('AGENT', 'SERVER', 'USER');
    create type "job_event_type" as enum ('SUBMITTED', 'CLAIMED', 'PHASE_CHANGED', 'PROGRESSED', 'CHECKPOINT_SAVED', 'ATTEMPT_ENDED', 'ATTEMPT_RESUMED', 'COMPLETED', 'FAILED', 'CANCELED', 'RETRIED', 'PURGED');
    create table "accounts" (
      "id" uuid not null default gen_random_uuid(),
      "username" text not null,
      "created_at" timestamptz(3) not null default now(),
      primary key ("id")
    );
    alter table "accounts" add constraint "accounts_username_unique" unique ("username");

    create table "agents" (
      "id" uuid not null default gen_random_uuid(),
      "account_id" uuid not null,
      "machine_id" text not null,
      "container_group_id" text not null,
      "session_id" uuid not null,
      "version" text null,
      "hardware" jsonb null,
      "registered_at" timestamptz(3) not null default now(),
      "last_seen_at" timestamptz(3) not null default now(),
      primary key ("id")
    );
    create unique index "agents_session_unique" on "agents" ("account_id", "session_id");
    create index "agents_group_index" on "agents" ("account_id", "container_group_id");

    create table "api_keys" (
      "id" uuid not null default gen_random_uuid(),
      "account_id" uuid not null,
      "hash" text not null,
      "encrypted" text not null,
      "role" "api_key_role" not null,
      "name" text null,
      "created_at" timestamptz(3) not null default now(),
      "expires_at" timestamptz(3) null,
      "revoked_at" timestamptz(3) null,
      primary key ("id")
    );
    alter table "api_keys" add constraint "api_keys_hash_unique" unique ("hash");
    create index "api_keys_account_id_index" on "api_keys" ("account_id");

    create table "jobs" (
      "id" uuid not null default gen_random_uuid(),
      "position" bigserial,
      "account_id" uuid not null,
      "api_key_id" uuid not null,
      "name" text null,
      "status" "job_status" not null default 'PENDING',
      "status_reason" text null,
      "command" text not null,
      "arguments" jsonb not null,
      "environment" jsonb not null,
      "container_group_id" text not null,
      "sync" jsonb null,
      "legacy_sync" jsonb null,
      "compression" boolean not null default false,
      "webhook" text null,
      "priority" smallint not null default 0,
      "labels" jsonb not null,
      "max_failures" int not null,
      "max_interruptions" int null,
      "timeout_seconds" int null,
      "heartbeat_interval" int not null,
      "num_failures" int not null default 0,
      "num_interruptions" int not null default 0,
      "num_sync_failures" int not null default 0,
      "attempt_number" int not null default 0,
      "resumable_attempt" int null,
      "machine_id" text null,
      "event_seq" int not null default 0,
      "idempotency_key" text null,
      "request_hash" text null,
      "created_at" timestamptz(3) not null default now(),
      "started_at" timestamptz(3) null,
      "completed_at" timestamptz(3) null,
      "canceled_at" timestamptz(3) null,
      "failed_at" timestamptz(3) null,
      primary key ("id")
    );
    create index "jobs_queue_index" on "jobs" ("account_id", "container_group_id", "priority" desc, "position") where "status" = 'PENDING';
    create index "jobs_account_id_position_index" on "jobs" ("account_id", "position");
    create index "jobs_group_index" on "jobs" ("account_id", "container_group_id", "status", "position");
    create unique index "jobs_idempotency_key_unique" on "jobs" ("account_id", "idempotency_key") where "idempotency_key" is not null;

    create table "bans" (
      "job_id" uuid not null,
      "machine_id" text not null,
      "account_id" uuid not null,
      "attempt" int not null,
      "reason" text not null,
      "created_at" timestamptz(3) not null default now(),
      primary key ("job_id", "machine_id")
    );
    create index "bans_machine_index" on "bans" ("account_id", "machine_id");

    create table "attempts" (
      "job_id" uuid not null,
      "number" int not null,
      "account_id" uuid not null,
      "container_group_id" text not null,
      "machine_id" text not null,
      "agent_id" uuid null,
      "phase" "attempt_phase" null,
      "outcome" "attempt_outcome" null,
      "ended_by" "ended_by" null,
      "reason" text null,
      "exit_code" int null,
      "signal" text null,
      "started_at" timestamptz(3) not null default now(),
      "ended_at" timestamptz(3) null,
      "heartbeat_interval" int not null,
      "heartbeat_at" timestamptz(3) null,
      "lease_expires_at" timestamptz(3) not null,
      "num_heartbeats" int not null default 0,
      "progress" jsonb null,
      "bytes_downloaded" bigint not null default '0',
      "bytes_uploaded" bigint not null default '0',
      primary key ("job_id", "number")
    );
    create unique index "attempts_live_unique" on "attempts" ("job_id") where "outcome" is null;
    create index "attempts_lease_index" on "attempts" ("lease_expires_at") where "outcome" is null;

    create table "job_events" (
      "id" bigserial primary key,
      "xid" xid8 not null default pg_current_xact_id(),
      "job_id" uuid not null,
      "seq" int not null,
      "account_id" uuid not null,
      "container_group_id" text not null,
      "type" "job_event_type" not null,
      "attempt" int null,
      "data" jsonb not null,
      "at" timestamptz(3) not null default clock_timestamp()
    );
    create index "job_events_position_index" on "job_events" ("xid", "id");
    create unique index "job_events_seq_unique" on "job_events" ("job_id", "seq");

    create table "webhook_deliveries" (
      "id" uuid not null default gen_random_uuid(),
      "account_id" uuid not null,
      "api_key_id" uuid not null,
      "job_id" uuid not null,
      "attempt" int not null,
      "url" text not null,
      "status" text not null,
      "machine_id" text null,
      "container_group_id" text not null,
      "tries" int not null default 0,
      "next_try_at" timestamptz(3) not null default now(),
      "last_error" text null,
      "created_at" timestamptz(3) not null default now(),
      "delivered_at" timestamptz(3) null,
      "abandoned_at" timestamptz(3) null,
      primary key ("id")
    );
    create index "webhook_deliveries_due_index" on "webhook_deliveries" ("next_try_at") where "delivered_at" is null and "abandoned_at" is null;
    create index "webhook_deliveries_job_id_index" on "webhook_deliveries" ("job_id");

    alter table "agents" add constraint "agents_account_id_foreign" foreign key ("account_id") references "accounts" ("id") on delete cascade;

    alter table "api_keys" add constraint "api_keys_account_id_foreign" foreign key ("account_id") references "accounts" ("id") on delete cascade;

    alter table "jobs" add constraint "jobs_account_id_foreign" foreign key ("account_id") references "accounts" ("id") on delete cascade;

    alter table "bans" add constraint "bans_job_id_foreign" foreign key ("job_id") references "jobs" ("id") on delete cascade;

    alter table "attempts" add constraint "attempts_job_id_foreign" foreign key ("job_id") references "jobs" ("id") on delete cascade;

    alter table "webhook_deliveries" add constraint "webhook_deliveries_job_id_foreign" foreign key ("job_id") references "jobs" ("id") on delete cascade;
    `);
  }
}
