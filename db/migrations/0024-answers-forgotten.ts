import { Migration } from '@mikro-orm/migrations';

/** What receivers of webhooks have answered so far may hold the keys that they were sent. Which do, only a server with the master key can see. */
export class AnswersForgotten extends Migration {
  override up(): void {
    this.addSql(`set local lock_timeout = '2s';`);
    this.addSql(`update "webhook_tries" set "response" = null where "response" is not null;`);
  }
}
