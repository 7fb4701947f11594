import { Migration } from '@mikro-orm/migrations';

/** Connections of an agent in the order in which it made them, whatever the order in which they arrive. */
export class ConnectionsInOrder extends Migration {
  override up(): void {
    this.addSql(`alter table "agents" add column "connection_number" int not null default 0;`);
  }
}
