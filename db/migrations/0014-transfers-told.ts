import { Migration } from '@mikro-orm/migrations';

/** When the next progress of a transfer may be told: once a second, as the command's own. */
export class TransfersTold extends Migration {
  override up(): void {
    this.addSql(`alter table "attempts" add column "transfer_due_at" timestamptz(3) null;`);
  }
}
