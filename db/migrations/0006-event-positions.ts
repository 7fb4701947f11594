import { Migration } from '@mikro-orm/migrations';

/**
 * Within a job the feed's position follows `seq`: an event stands nowhere before its predecessor. Without that, a transaction that
 * was given its xid early and got the job's row late would put a job's later event before the earlier one.
 */
export class EventPositions extends Migration {
  override up(): void {
    this.addSql(`
      update "job_events" e
      set "xid" = p."xid"::text::xid8
      from (
        select "id", max("xid"::text::numeric) over (partition by "job_id" order by "seq") as "xid" from "job_events"
      ) p
      where p."id" = e."id" and e."xid"::text::numeric < p."xid";

      create or replace function "job_events_position_fn"() returns trigger as $$ begin new.xid := greatest(new.xid, (select e.xid from job_events e where e.job_id = new.job_id and e.seq = new.seq - 1)); return new; end; $$ language plpgsql;
      create trigger "position" before insert on "job_events" for each row execute function "job_events_position_fn"();
      create index "job_events_account_index" on "job_events" ("account_id", "xid", "id");

      create table "event_horizon" (
        "id" int not null,
        "xid" xid8 not null default '0',
        "event_id" bigint not null default '0',
        primary key ("id")
      );
      insert into "event_horizon" ("id") values (1);
    `);
  }
}
