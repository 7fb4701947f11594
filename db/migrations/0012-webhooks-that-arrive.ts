import { Migration } from '@mikro-orm/migrations';

/** Deliveries by account and host, in order, each try written down, and secrets to sign with. */
export class WebhooksThatArrive extends Migration {
  override up(): void {
    this.addSql(`
      alter table "webhook_deliveries" add column "position" bigserial not null,
        add column "lane" int generated always as (hashtext(lower(coalesce(substring("url", '//([^/?#]+)'), '')))) stored not null;
      drop index "webhook_deliveries_due_index";
      create index "webhook_deliveries_due_index" on "webhook_deliveries" ("account_id", "lane", "next_try_at")
        where "delivered_at" is null and "abandoned_at" is null;
      drop index "webhook_deliveries_job_id_index";
      create index "webhook_deliveries_job_index" on "webhook_deliveries" ("job_id", "position");

      create table "webhook_tries" (
        "delivery_id" uuid not null,
        "number" int not null,
        "at" timestamptz(3) not null default clock_timestamp(),
        "milliseconds" int not null,
        "status_code" int null,
        "error" text null,
        "response" text null,
        primary key ("delivery_id", "number")
      );

      create table "webhook_secrets" (
        "account_id" uuid not null,
        "sealed" text not null,
        "previous" text null,
        "previous_until" timestamptz(3) null,
        primary key ("account_id")
      );

      alter table "webhook_tries" add constraint "webhook_tries_delivery_id_foreign"
        foreign key ("delivery_id") references "webhook_deliveries" ("id") on delete cascade;
      alter table "webhook_secrets" add constraint "webhook_secrets_account_id_foreign"
        foreign key ("account_id") references "accounts" ("id") on update cascade on delete cascade;
    `);
  }
}
