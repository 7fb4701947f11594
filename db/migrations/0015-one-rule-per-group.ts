import { Migration } from '@mikro-orm/migrations';

/** One rule for each group that there really is, whatever account it is of; and whether a machine was given up, or only tried to be. */
export class OneRulePerGroup extends Migration {
  override up(): void {
    this.addSql(`
      alter table "scaling_rules" add column "group_identity" text null;
      alter table "scaling_rules" add constraint "scaling_rules_group_identity_unique" unique ("group_identity");

      alter table "reallocations" add column "ok" boolean not null default true;
    `);
  }
}
