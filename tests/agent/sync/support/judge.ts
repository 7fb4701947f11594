import type { Bench } from './bench.ts';
import { isCheckpoint, LATEST } from './command.ts';
import type { Relayed } from './relay.ts';

/** Sees every request that changes the bucket before the store does, and says what should never have been asked. */
export function createJudge(bench: Bench, prefix: string, everWas: (name: string, text: string) => boolean) {
  const made: { name: string; text: string }[] = [];
  const faults: string[] = [];
  let demandsOrder = false;

  /** What the store has acknowledged, or has done without being heard. */
  const stored = () => {
    const objects = new Map<string, string>();
    for (const seen of bench.relay.seen) {
      const { key, status = 0 } = seen;
      const name = nameIn(prefix, key);
      if (status === 0 || status >= 300 || name === undefined) continue;
      const change = changeOf(seen);
      if (change === 'made') objects.set(name, contentOf(seen));
      if (change === 'deleted') objects.delete(name);
    }
    return objects;
  };
  const contentOf = ({ query, body }: Relayed): string => {
    const uploadId = query.get('uploadId');
    if (uploadId === null) return body.toString();
    const parts = bench.relay.seen.filter((seen) => seen.method === 'PUT' && seen.query.get('uploadId') === uploadId);
    const bodies = new Map(parts.map((part) => [Number(part.query.get('partNumber')), part.body]));
    return Buffer.concat([...bodies].sort(([a], [b]) => a - b).map(([, part]) => part)).toString();
  };
  /** The half of a log is a shorter log. */
  const mayBe = (name: string, text: string) => name.endsWith('.log') || everWas(name, text);

  return {
    hear(seen: Relayed, name: string): void {
      const change = changeOf(seen);
      const text = change === 'made' ? contentOf(seen) : '';
      const objects = stored();
      if (change === 'made') made.push({ name, text });
      if (name === LATEST && demandsOrder && text !== '' && !objects.has(text)) {
        faults.push(`${LATEST} was sent to name ${text} before that was there`);
      }
      if (change !== 'deleted' || !isCheckpoint(name) || !objects.has(name)) return;
      if (objects.get(LATEST) === name) faults.push(`${name} was deleted while ${LATEST} named it`);
      if (![...objects.keys()].some((other) => isCheckpoint(other) && other !== name)) {
        faults.push(`${name} was deleted while there was no other checkpoint`);
      }
    },
    /** What follows a failure does so without what has failed, in the end. */
    excuse: () => (demandsOrder = false),
    demandOrder: () => (demandsOrder = true),
    /** Whether the store has just these files. */
    agrees(files: Record<string, string>): boolean {
      const objects = stored();
      return (
        objects.size === Object.keys(files).length &&
        Object.entries(files).every(([name, text]) => objects.get(name) === text)
      );
    },
    faults(): string[] {
      const torn = made.filter(({ name, text }) => !mayBe(name, text));
      return [...faults, ...torn.map(({ name, text }) => `${name} was made of what it never was: ${shortOf(text)}`)];
    },
  };
}

/** What a request asks the store to do with an object, if it makes or deletes a whole one. */
export function changeOf({ method, query }: Relayed): 'made' | 'deleted' | undefined {
  const isOfUpload = query.has('uploadId');
  if (method === (isOfUpload ? 'POST' : 'PUT')) return 'made';
  return method === 'DELETE' && !isOfUpload ? 'deleted' : undefined;
}

/** Before anything of a large file was read for it. */
export function beginsUpload({ method, query }: Relayed): boolean {
  return (method === 'PUT' && !query.has('partNumber')) || (method === 'POST' && query.has('uploads'));
}

/** What the object of this key is called below the prefix, if it lies there. */
export function nameIn(prefix: string, key: string): string | undefined {
  return key.startsWith(`${prefix}/`) ? key.slice(prefix.length + 1) : undefined;
}

/** Long runs of one character as their number. */
function shortOf(text: string): string {
  return JSON.stringify(text.replace(/(.)\1{50,}/g, (run, one: string) => `${one}{${run.length}}`));
}
