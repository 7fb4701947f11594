import { Migration } from '@mikro-orm/migrations';

/** What people see of the sync: files, what is on its way, checkpoints, how far behind the bucket is, and why. */
export class SyncSeen extends Migration {
  override up(): void {
    this.addSql(`
      alter type "job_event_type" add value 'WARNED';
      alter table "jobs" add column "last_checkpoint_at" timestamptz(3) null;
      alter table "attempts"
        add column "transfer" jsonb null,
        add column "files_downloaded" int not null default 0,
        add column "files_uploaded" int not null default 0,
        add column "checkpoint_files" int not null default 0,
        add column "checkpoint_bytes" bigint not null default '0',
        add column "sync_lag_seconds" double precision null,
        add column "warning" text null;
    `);
  }
}
