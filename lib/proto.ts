interface Place {
  value: unknown;
  name: string | number;
  within: Place | undefined;
}

/**
 * Where a parsed JSON value has a member called `__proto__`, from the outermost name inwards. Validators and copies pass over
 * that name, because setting it can change an object's prototype. Undefined when there is none.
 */
export function placeOfProto(value: unknown): (string | number)[] | undefined {
  const place = placeOf(value, (object) => Object.hasOwn(object, '__proto__'));
  return place && [...place, '__proto__'];
}

/** Above what any field may hold, and below what validators can report the faults of. */
export const MOST_MEMBERS = 10_000;

/** Where a parsed JSON value has an object or a list of more than `max` members. Undefined when there is none. */
export function placeOfCrowd(value: unknown, max: number): (string | number)[] | undefined {
  return placeOf(value, (object) => (Array.isArray(object) ? object.length : Object.keys(object).length) > max);
}

function placeOf(value: unknown, is: (object: object) => boolean): (string | number)[] | undefined {
  // Not by recursion: a value from outside may be nested as deeply as its size allows.
  const left: Place[] = [{ value, name: '', within: undefined }];
  for (let place = left.pop(); place !== undefined; place = left.pop()) {
    if (typeof place.value !== 'object' || place.value === null) continue;
    if (is(place.value)) return pathOf(place);
    const isList = Array.isArray(place.value);
    for (const [name, inner] of Object.entries(place.value)) {
      left.push({ value: inner, name: isList ? Number(name) : name, within: place });
    }
  }
  return undefined;
}

function pathOf(place: Place): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at = place; at.within !== undefined; at = at.within) path.push(at.name);
  return path.reverse();
}
