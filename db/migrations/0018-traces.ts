import { Migration } from '@mikro-orm/migrations';

/** Where a job's trace began, when its present part did, and which attempts came back after they were taken for lost. */
export class Traces extends Migration {
  override up(): void {
    this.addSql(`alter table "jobs" add column "trace_parent" text null, add column "retried_at" timestamptz(3) null;`);
    this.addSql(`alter table "attempts" add column "resumed" boolean not null default false;`);
  }
}
