import { Migration } from '@mikro-orm/migrations';

/** A key of the operator's that was revoked may be in force again, which is written down. */
export class Doors extends Migration {
  override up(): void {
    this.addSql(`alter type "audit_action" add value 'KEY_RESTORED';`);
  }
}
