import { Migration } from '@mikro-orm/migrations';

/** What commands write, in chunks, bounded per attempt. */
export class JobLogs extends Migration {
  override up(): void {
    this.addSql(`
      create table "job_logs" (
        "job_id" uuid not null,
        "attempt" int not null,
        "position" bigint not null,
        "offset" int not null,
        "lines" int not null,
        "bytes" int not null,
        "content" jsonb not null,
        primary key ("job_id", "attempt", "position")
      );
      alter table "job_logs" add constraint "job_logs_job_id_attempt_foreign"
        foreign key ("job_id", "attempt") references "attempts" ("job_id", "number") on update cascade on delete cascade;
    `);
  }
}
