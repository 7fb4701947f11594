import { Migration } from '@mikro-orm/migrations';

/** Who has done what with keys and rules, and a proof that a server has the right master key. */
export class AuditAndMasterKeys extends Migration {
  override up(): void {
    this.addSql(`
      create type "audit_action" as enum ('ACCOUNT_CREATED', 'ACCOUNTS_CLEARED', 'KEY_CREATED', 'KEY_REVOKED', 'RULE_CREATED', 'RULE_UPDATED', 'RULE_DELETED', 'RULES_CLEARED', 'JOBS_PURGED', 'JOBS_CLEARED');
      create table "audit_events" (
        "position" bigserial primary key,
        "account_id" uuid not null,
        "key_id" uuid null,
        "action" "audit_action" not null,
        "data" jsonb not null,
        "at" timestamptz(3) not null default clock_timestamp()
      );
      create index "audit_events_account_id_index" on "audit_events" ("account_id", "position");

      create table "sealed_proof" (
        "id" int not null,
        "sealed" text not null,
        primary key ("id")
      );
    `);
  }
}
