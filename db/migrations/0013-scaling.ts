import { Migration } from '@mikro-orm/migrations';

/** What each scaling rule last wanted and did and when it acts next, its history, and agents that leave once they are idle. */
export class Scaling extends Migration {
  override up(): void {
    this.addSql(`
      alter table "agents" add column "retiring_at" timestamptz(3) null;

      alter table "scaling_rules"
        add column "group_name" text null,
        add column "wanted" int null,
        add column "reason" text null,
        add column "decided_at" timestamptz(3) null,
        add column "answer_ok" boolean null,
        add column "answer" text null,
        add column "answered_at" timestamptz(3) null,
        add column "next_action_at" timestamptz(3) null default now(),
        add column "failures" int not null default 0,
        add column "orphaned_at" timestamptz(3) null,
        add column "turn" uuid null,
        add column "turn_ends_at" timestamptz(3) null;
      create index "scaling_rules_due_index" on "scaling_rules" ("next_action_at");

      create table "scaling_events" (
        "id" bigserial not null,
        "account_id" uuid not null,
        "container_group_id" text not null,
        "at" timestamptz(3) not null default clock_timestamp(),
        "wanted" int null,
        "reason" text null,
        "ok" boolean not null,
        "message" text not null,
        primary key ("id")
      );
      create index "scaling_events_rule_index" on "scaling_events" ("account_id", "container_group_id", "id");
      alter table "scaling_events" add constraint "scaling_events_account_id_container_group_id_foreign"
        foreign key ("account_id", "container_group_id") references "scaling_rules" ("account_id", "container_group_id") on update cascade on delete cascade;

      create table "reallocations" (
        "account_id" uuid not null,
        "container_group_id" text not null,
        "machine_id" text not null,
        "at" timestamptz(3) not null default clock_timestamp(),
        primary key ("account_id", "container_group_id", "machine_id")
      );
      alter table "reallocations" add constraint "reallocations_account_id_container_group_id_foreign"
        foreign key ("account_id", "container_group_id") references "scaling_rules" ("account_id", "container_group_id") on update cascade on delete cascade;
    `);
  }
}
