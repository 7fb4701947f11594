import { Migration } from '@mikro-orm/migrations';

/** Who works, on what, and how long it will take: polling workers among the agents, use of GPUs, what is counted by the time it ended. */
export class Fleet extends Migration {
  override up(): void {
    this.addSql(`
      alter table "agents"
        alter column "session_id" drop not null,
        add column "gpu_use" jsonb null,
        add column "gpu_use_at" timestamptz(3) null;
      create unique index "agents_worker_unique" on "agents" ("account_id", "container_group_id", "machine_id") where "session_id" is null;
      create index "agents_account_index" on "agents" ("account_id", "registered_at", "id");
      create index "agents_registered_index" on "agents" ("registered_at");

      alter table "attempts"
        add column "progress_trace" jsonb null,
        add column "progress_due_at" timestamptz(3) null;
      create index "attempts_live_machine_index" on "attempts" ("account_id", "container_group_id", "machine_id") where "outcome" is null;

      create index "jobs_completed_index" on "jobs" ("account_id", "container_group_id", "completed_at") where "status" = 'COMPLETED';
      create index "jobs_failed_index" on "jobs" ("account_id", "container_group_id", "failed_at") where "status" = 'FAILED';
      create index "jobs_canceled_index" on "jobs" ("account_id", "container_group_id", "canceled_at") where "status" = 'CANCELED';
    `);
  }
}
