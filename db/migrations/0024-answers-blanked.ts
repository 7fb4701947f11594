import { Migration } from '@mikro-orm/migrations';

/**
 * Marks what a receiver of webhooks has answered as free of the keys that it was sent. What is stored already is not, nor what servers of
 * the release before go on storing: that is shown to nobody, and forgotten bit by bit by those that remove what is old.
 */
export class AnswersBlanked extends Migration {
  override up(): void {
    this.addSql(`set local lock_timeout = '2s';`);
    this.addSql(`alter table "webhook_tries" add column "response_blanked" boolean not null default false;`);
  }
}
