import { Migration } from '@mikro-orm/migrations';

/** Which attempts came back after they were taken for lost. */
export class AttemptsThatCameBack extends Migration {
  override up(): void {
    this.addSql(`set local lock_timeout = '2s';`);
    this.addSql(`alter table "attempts" add column "resumed" boolean not null default false;`);
  }
}
