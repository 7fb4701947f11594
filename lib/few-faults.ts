import { z } from 'zod';

/**
 * Lists and records of which no more is looked at once enough is known to be wrong: zod makes an object of each fault, and a body
 * of megabytes may have one every other byte. What was not looked at is said, by one more fault in the place of the list or record.
 */

/** So many faults are enough: a person mends those, and sends again. */
export const ENOUGH_FAULTS = 100;
export const MORE_FAULTS = 'There may be more faults: nothing was looked at after these. Mend them, and send it again';

/** As `z.array`. */
export function listOf<Element extends z.ZodType>(element: Element): z.ZodArray<Element> {
  // The constructor does not know of what.
  return new FewFaultsList({ type: 'array', element }) as z.ZodArray<Element>;
}

/** As `z.record`; counted before it is looked through. */
export function recordOf<Key extends z.core.$ZodRecordKey & z.ZodType, Value extends z.ZodType>(
  key: Key,
  value: Value,
  most: number,
): z.ZodRecord<Key, Value> {
  // The constructor does not know of what.
  return new FewFaultsRecord({ type: 'record', keyType: key, valueType: value, most }) as z.ZodRecord<Key, Value>;
}

type Payload = z.core.ParsePayload;

const FewFaultsList: z.core.$constructor<z.ZodArray> = z.core.$constructor('FewFaultsList', (list, def) => {
  z.ZodArray.init(list, def);
  const parseWhole = list._zod.parse.bind(list._zod);
  const most = Math.min(...z.core.util.sizeCaps(def.checks).map(([length]) => length));
  list._zod.parse = (payload, context) => {
    const items: unknown = payload.value;
    // Of what is no list, or too long a one, zod says so and looks no further.
    if (!Array.isArray(items) || items.length > most) return parseWhole(payload, context);
    const [outputs, told]: [unknown[], Payload] = [[], payload];
    told.value = outputs;
    return eachUntilEnough(list, items, told, {
      run: (item: unknown) => def.element._zod.run({ value: item, issues: [] }, context),
      take(result, index) {
        told.issues.push(...z.core.util.prefixIssues(index, result.issues));
        outputs.push(result.value);
      },
    });
  };
});

interface RecordDef extends z.core.$ZodRecordDef {
  most: number;
}

const FewFaultsRecord: z.core.$constructor<z.ZodRecord, RecordDef> = z.core.$constructor(
  'FewFaultsRecord',
  (record, def) => {
    z.ZodRecord.init(record, def);
    const parseWhole = record._zod.parse.bind(record._zod);
    record._zod.parse = (payload, context) => {
      const members: unknown = payload.value;
      if (!z.core.util.isPlainObject(members)) return parseWhole(payload, context);
      if (hasMoreThan(def.most, members)) {
        const message = `Expected at most ${def.most} entries`;
        payload.issues.push({ code: 'custom', message, input: members, inst: record, continue: false });
        return payload;
      }
      const [outputs, told]: [Record<string, unknown>, Payload] = [{}, payload];
      told.value = outputs;
      return eachUntilEnough(record, Object.entries(members), told, {
        run: ([name, value]) => parseWhole({ value: { [name]: value }, issues: [] }, context),
        take(result) {
          told.issues.push(...result.issues);
          Object.assign(outputs, result.value);
        },
      });
    };
  },
);

/** Makes nothing of the members: there may be a million. */
function hasMoreThan(most: number, members: object): boolean {
  let count = 0;
  for (const name in members) {
    if (Object.hasOwn(members, name)) count += 1;
    if (count > most) return true;
  }
  return false;
}

/** One after another, also where the library wants to wait for each: what is not begun has no faults yet. */
function eachUntilEnough<Part>(
  inst: z.core.$ZodType,
  parts: readonly Part[],
  payload: Payload,
  { run, take }: { run: (part: Part) => Payload | Promise<Payload>; take: (result: Payload, index: number) => void },
): Payload | Promise<Payload> {
  const left = parts.entries();
  const goOn = (): Payload | Promise<Payload> => {
    for (let next = left.next(); next.done !== true; next = left.next()) {
      const [index, part] = next.value;
      if (payload.issues.length >= ENOUGH_FAULTS) return withMore(inst, payload);
      const result = run(part);
      if (result instanceof Promise) {
        return result.then((later) => {
          take(later, index);
          return goOn();
        });
      }
      take(result, index);
    }
    return payload;
  };
  return goOn();
}

/** Said once, by the innermost that has ended early. */
function withMore(inst: z.core.$ZodType, payload: Payload): Payload {
  if (payload.issues.at(-1)?.message !== MORE_FAULTS) {
    payload.issues.push({ code: 'custom', message: MORE_FAULTS, input: undefined, inst });
  }
  return payload;
}
