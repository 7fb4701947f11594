import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';

/** One tab of a real browser. */
export interface ChromiumTab {
  open(url: string): Promise<void>;
  /** What the expression, a promise or not, comes to in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Clicks in the middle of the element that the expression finds. */
  click(element: string): Promise<void>;
  /** Writes over all that is in the editor that the selector finds, as a keyboard does. */
  write(selector: string, text: string): Promise<void>;
  close(): Promise<void>;
}

const KNOWN = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where one is; undefined where there is none. */
export function chromiumPath(): string | undefined {
  return process.env.KELPIE_TEST_CHROMIUM ?? KNOWN.find((path) => existsSync(path));
}

/** Starts a Chromium with nothing in it, and drives it by its own protocol. */
export async function startChromium(path: string): Promise<ChromiumTab> {
  const directory = await makeTemporaryDirectory('kelpie-chromium-');
  const child = spawn(
    path,
    [
      ...['--headless=new', '--remote-debugging-port=0', '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage'],
      `--user-data-dir=${directory}`,
      // Chromium's own box needs rights that root in a container does not have.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(child, 'exit');
  const address = await addressIn(child.stderr);
  // Nobody listens any more: unread, it would stop when the pipe is full.
  child.stderr.resume();
  const socket = new WebSocket(address);
  await once(socket, 'open');
  const call = caller(socket);
  const { targetId } = z
    .object({ targetId: z.string() })
    .parse(await call('Target.createTarget', { url: 'about:blank' }));
  const attached = await call('Target.attachToTarget', { targetId, flatten: true });
  const { sessionId } = z.object({ sessionId: z.string() }).parse(attached);
  const evaluate = async (expression: string): Promise<unknown> => {
    const answer = await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId);
    const { result, exceptionDetails } = evaluated.parse(answer);
    if (exceptionDetails !== undefined) throw new Error(`The page threw: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  };
  const press = async (key: object): Promise<void> => {
    for (const type of ['rawKeyDown', 'keyUp']) await call('Input.dispatchKeyEvent', { type, ...key }, sessionId);
  };
  return {
    evaluate,
    async open(url) {
      await call('Page.navigate', { url }, sessionId);
    },
    async click(element) {
      const middle = `(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))(${element}.getBoundingClientRect())`;
      const at = z.object({ x: z.number(), y: z.number() }).parse(await evaluate(middle));
      for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased']) {
        await call('Input.dispatchMouseEvent', { type, ...at, button: 'left', clickCount: 1 }, sessionId);
      }
    },
    async write(selector, text) {
      await evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`);
      await press({ key: 'a', code: 'KeyA', windowsVirtualKeyCode: 65, modifiers: CONTROL, commands: ['selectAll'] });
      await call('Input.insertText', { text }, sessionId);
      // Editors close quotes and brackets by themselves.
      const remove = { key: 'Delete', code: 'Delete', windowsVirtualKeyCode: 46, commands: ['deleteForward'] };
      for (let count = 0; count < MOST_CLOSED; count++) await press(remove);
    },
    async close() {
      child.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Of the protocol: the key that is held down meanwhile. */
const CONTROL = 2;
const MOST_CLOSED = 4;

const evaluated = z.object({
  result: z.object({ value: z.unknown().optional() }),
  exceptionDetails: z.unknown().optional(),
});

async function addressIn(stderr: NodeJS.ReadableStream): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface(stderr)) {
    const [, address] = /DevTools listening on (ws:.+)$/.exec(line) ?? [];
    if (address !== undefined) return address;
    said.push(line);
  }
  throw new Error(`Chromium did not start:\n${said.join('\n')}`);
}

const answered = z.object({
  id: z.number(),
  result: z.unknown(),
  error: z.object({ message: z.string() }).optional(),
});

function caller(socket: WebSocket) {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let last = 0;
  socket.on('message', (data: Buffer) => {
    const answer = answered.safeParse(JSON.parse(data.toString()));
    // What has no id is an event.
    if (!answer.success) return;
    const { id, result, error } = answer.data;
    if (error === undefined) waiting.get(id)?.resolve(result);
    else waiting.get(id)?.reject(new Error(error.message));
    waiting.delete(id);
  });
  return (method: string, params: object, sessionId?: string): Promise<unknown> => {
    const asked = Promise.withResolvers<unknown>();
    waiting.set(++last, asked);
    socket.send(JSON.stringify({ id: last, method, params, sessionId }));
    return asked.promise;
  };
}
