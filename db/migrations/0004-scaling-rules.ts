import { Migration } from '@mikro-orm/migrations';

/** Scaling rules, and whose organization and project a key stands for. */
export class ScalingRules extends Migration {
  override up(): void {
    this.addSql(`
      alter table "api_keys" add column "org_name" text null, add column "project_name" text null;

      create table "scaling_rules" (
        "account_id" uuid not null,
        "container_group_id" text not null,
        "min_replicas" int not null,
        "max_replicas" int not null,
        "idle_threshold_seconds" int not null,
        "org_name" text null,
        "project_name" text null,
        "created_at" timestamptz(3) not null default now(),
        "updated_at" timestamptz(3) not null default now(),
        primary key ("account_id", "container_group_id")
      );
      alter table "scaling_rules" add constraint "scaling_rules_account_id_foreign"
        foreign key ("account_id") references "accounts" ("id") on delete cascade;
      alter table "scaling_rules" add constraint "scaling_rules_range_check"
        check (0 <= "min_replicas" and "min_replicas" <= "max_replicas");
    `);
  }
}
