import { Migration } from '@mikro-orm/migrations';

/** Connections of agents, draining, claims that can be asked for twice, stalls, and when servers last swept. */
export class LeasesInTime extends Migration {
  override up(): void {
    this.addSql(`
      alter type "job_event_type" add value 'BAN_LIFTED';
      alter table "agents" add column "connection_id" uuid null, add column "draining_at" timestamptz(3) null;
      alter table "jobs" add column "stall_timeout_seconds" int null, add column "banned_machine_id" text null;
      alter table "attempts" add column "claim_id" uuid null, add column "grace_given" boolean not null default false;
      create unique index "attempts_claim_unique" on "attempts" ("agent_id", "claim_id") where "claim_id" is not null;
      create index "attempts_live_agent_index" on "attempts" ("agent_id") where "outcome" is null;

      create table "sweeps" (
        "id" int not null,
        "at" timestamptz(3) not null default clock_timestamp(),
        primary key ("id")
      );
      insert into "sweeps" ("id") values (1);
    `);
  }
}
