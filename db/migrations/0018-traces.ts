import { Migration } from '@mikro-orm/migrations';

/** Where a job's trace began, and when its present part did. */
export class Traces extends Migration {
  override up(): void {
    this.addSql(`set local lock_timeout = '2s';`);
    this.addSql(`alter table "jobs" add column "trace_parent" text null, add column "retried_at" timestamptz(3) null;`);
  }
}
