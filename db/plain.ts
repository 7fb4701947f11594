import type { EntityName } from '@mikro-orm/core';
import type { EntityManager } from './orm.ts';

/** A row as PostgreSQL names its columns. */
export type Row = Record<string, unknown>;

interface Column {
  name: string;
  field: string;
  isTime: boolean;
}

/** Has the entity manager that all others are forked of. */
export interface Owner {
  readonly em: EntityManager;
}

const readers = new WeakMap<EntityManager, EntityManager>();

/**
 * Asks outside of whatever transaction its caller is in, and manages nothing, so there is one for good: to fork one for each of many
 * short statements costs more than they do.
 * @param owner the core, or whoever else has the entity manager that all others are forked of. Never a transaction's: that is over
 *   before this is, and no type would tell the two apart
 */
export function plainReader({ em }: Owner): EntityManager {
  const reader = readers.get(em) ?? em.fork({ disableContextResolution: true });
  readers.set(em, reader);
  return reader;
}

const known = new WeakMap<object, readonly Column[]>();

/**
 * Rows as objects with their entity's fields, which nothing watches for changes: for what is only read, and read all the time. A
 * tenth of what `em.map` costs. Columns that the entity does not have are left out.
 */
export function plainRows<Entity extends object>(
  em: EntityManager,
  entity: EntityName<Entity>,
  rows: readonly Row[],
): Entity[] {
  const meta = em.getMetadata(entity);
  const columns = known.get(meta) ?? meta.props.map(columnOf);
  known.set(meta, columns);
  const platform = em.getPlatform();
  // Every field of the entity has its column: what the rows hold is what the type says.
  return rows.map((row) => {
    // A loop, because this is done for every row of every change that somebody watches.
    const one: Row = {};
    for (const { name, field, isTime } of columns) {
      const value = row[field];
      one[name] = isTime && typeof value === 'string' ? platform.parseDate(value) : value;
    }
    return one as Entity;
  });
}

function columnOf(property: { name: string; fieldNames: string[]; runtimeType: string }): Column {
  const [field] = property.fieldNames;
  if (field === undefined) throw new Error(`Expected a column of ${property.name}, got none`);
  return { name: property.name, field, isTime: property.runtimeType === 'Date' };
}
