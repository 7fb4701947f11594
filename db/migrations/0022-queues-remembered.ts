import { Migration } from '@mikro-orm/migrations';

/** What a queue was when its group was scaled: null for what was decided before this was written down, or not decided at all. */
export class QueuesRemembered extends Migration {
  override up(): void {
    this.addSql(`set local lock_timeout = '2s';`);
    this.addSql(`alter table "scaling_events" add column "pending" integer, add column "running" integer;`);
  }
}
