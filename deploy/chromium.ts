import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const KNOWN = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where the machine's Chromium is; undefined where it has none. `KELPIE_TEST_CHROMIUM` names another one. */
export function findChromium(): string | undefined {
  return process.env.KELPIE_TEST_CHROMIUM ?? KNOWN.find((path) => existsSync(path));
}

/** @throws Error when the machine has none */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    throw new Error('Expected a Chromium, found none: apt-get install chromium, or name one by KELPIE_TEST_CHROMIUM');
  }
  // Chromium's own box needs rights that root in a container does not have.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}
