import { Migration } from '@mikro-orm/migrations';

/**
 * Accounts of Salad's organisations, made when one of its credentials comes for the first time. Their names are a room of
 * their own, whoever writes: nobody else's account can be called `salad:…`.
 */
export class Organizations extends Migration {
  override up(): void {
    this.addSql(`
      alter table "accounts"
        add column "organization" text null,
        add column "organization_id" text null,
        add column "webhook_key_id" uuid null;
      alter table "accounts" add constraint "accounts_organization_unique" unique ("organization");
      alter table "accounts"
        add constraint "accounts_organization_room" check ((organization is null) = (lower(username) !~~ 'salad:%')),
        add constraint "accounts_organization_username" check (username = ('salad:' || organization));
    `);
  }
}
