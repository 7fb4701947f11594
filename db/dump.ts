import type pg from 'pg';

/**
 * The schema of a database as SQL, read from PostgreSQL's own catalogue: what the migrations have really made. Sorted by
 * name, so that the same schema gives the same text.
 */
export async function dumpSchema(client: pg.Client): Promise<string> {
  const parts = [
    await texts(client, ENUMS),
    await texts(client, TABLES),
    await texts(client, CONSTRAINTS),
    await texts(client, INDEXES),
    await texts(client, FUNCTIONS),
    await texts(client, TRIGGERS),
  ];
  return `${parts.flat().join('\n\n')}\n`;
}

async function texts(client: pg.Client, sql: string): Promise<string[]> {
  const result = await client.query<{ text: string }>(sql);
  return result.rows.map((row) => row.text);
}

const ENUMS = `
  select format(E'create type %I as enum (\\n  %s\\n);', t.typname,
                string_agg(quote_literal(e.enumlabel), E',\\n  ' order by e.enumsortorder)) as text
  from pg_type t
  join pg_enum e on e.enumtypid = t.oid
  where t.typnamespace = 'public'::regnamespace
  group by t.typname
  order by t.typname`;

const TABLES = `
  select format(E'create table %I (\\n  %s\\n);', c.relname, string_agg(
           concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                     case when a.attnotnull then 'not null' end,
                     'default ' || pg_get_expr(d.adbin, d.adrelid)), E',\\n  ' order by a.attnum)) as text
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'migrations'
  group by c.relname
  order by c.relname`;

const CONSTRAINTS = `
  select format('alter table %s add constraint %I %s;', conrelid::regclass, conname, pg_get_constraintdef(oid)) as text
  from pg_constraint
  where connamespace = 'public'::regnamespace and contype <> 'n' and conrelid::regclass::text <> 'migrations'
  order by conrelid::regclass::text, conname`;

const INDEXES = `
  select pg_get_indexdef(i.indexrelid) || ';' as text
  from pg_index i
  join pg_class c on c.oid = i.indrelid
  where c.relnamespace = 'public'::regnamespace and c.relname <> 'migrations'
    and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
  order by i.indexrelid::regclass::text`;

const FUNCTIONS = `
  select pg_get_functiondef(p.oid) || ';' as text
  from pg_proc p
  where p.pronamespace = 'public'::regnamespace
  order by p.proname`;

const TRIGGERS = `
  select pg_get_triggerdef(t.oid) || ';' as text
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = 'public'::regnamespace and not t.tgisinternal
  order by c.relname, t.tgname`;
