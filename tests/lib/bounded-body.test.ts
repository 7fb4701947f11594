import { describe, expect, test } from 'vitest';
import { boundedBody } from '../../lib/bounded-body.ts';

describe('the body of an answer', () => {
  test('is read whole up to its bound', async () => {
    expect(Buffer.from(await boundedBody(new Response('12345'), 5)).toString()).toBe('12345');
    expect(await boundedBody(new Response(null), 0)).toHaveLength(0);
  });

  test('is not read beyond it', async () => {
    let canceled = false;
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(new Uint8Array(1_000));
      },
      cancel: () => void (canceled = true),
    });
    await expect(boundedBody(new Response(endless), 10_000)).rejects.toThrow('at most 10000 bytes');
    expect(canceled).toBe(true);
    expect(pulled).toBeLessThan(20);
  });
});
