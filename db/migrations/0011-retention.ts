import { Migration } from '@mikro-orm/migrations';

/** What is too old is found by its age, however much else there is. */
export class Retention extends Migration {
  override up(): void {
    this.addSql(`
      create index "jobs_ended_index" on "jobs" (coalesce("completed_at", "failed_at", "canceled_at"), "position")
        where "status" in ('COMPLETED', 'FAILED', 'CANCELED');
      create index "job_events_purged_index" on "job_events" ("at") where "type" = 'PURGED';
      create index "webhook_deliveries_over_index" on "webhook_deliveries" (coalesce("delivered_at", "abandoned_at"))
        where coalesce("delivered_at", "abandoned_at") is not null;
    `);
  }
}
