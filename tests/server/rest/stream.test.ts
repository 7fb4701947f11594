import { expect, test } from 'vitest';
import { HEARTBEAT } from '../../../server/rest/heartbeat.ts';
import { streamOf } from '../../../server/rest/stream.ts';

/** A part at once, and another one when it is let go. */
function parts() {
  const next = Promise.withResolvers<string>();
  async function* told(): AsyncGenerator<string, void, undefined> {
    yield 'one ';
    yield await next.promise;
  }
  const around = {
    ...{ encode: (part: string) => part, end: 'end', stopping: new AbortController().signal, heartbeatMs: 10 },
    ...{ hangUp: () => undefined, onError: (error: unknown) => expect.fail(String(error)) },
  };
  return { told: told(), around, letGo: () => next.resolve('two ') };
}

test('while nothing comes a heartbeat is told, and what comes then is told once', async () => {
  const { told, around, letGo } = parts();
  const reader = streamOf({ ...around, parts: told, heartbeat: HEARTBEAT }).getReader();
  const read = async () => {
    const { value } = await reader.read();
    return value === undefined ? undefined : Buffer.from(value).toString();
  };
  expect([await read(), await read(), await read()]).toEqual(['one ', HEARTBEAT, HEARTBEAT]);
  letGo();
  let rest = '';
  for (let text = await read(); text !== undefined; text = await read()) rest += text;
  expect(rest.replaceAll(HEARTBEAT, '')).toBe('two end');
});

test('none where it would be taken for a part', async () => {
  const { told, around, letGo } = parts();
  const text = new Response(streamOf({ ...around, parts: told })).text();
  // Longer than a heartbeat would take.
  setTimeout(letGo, 50);
  expect(await text).toBe('one two end');
});
