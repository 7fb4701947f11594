import type { Browser } from 'playwright-core';
import { findChromium, launchChromium } from '../../deploy/chromium.ts';

let launched: Promise<Browser> | undefined;

/** Whether this machine has one; where it has none, why a chapter of tests is skipped is printed. */
export function hasChromium(chapter: string): boolean {
  const isThere = findChromium() !== undefined;
  if (!isThere) process.stderr.write(`Skipped: ${chapter}: no Chromium (apt-get install chromium)\n`);
  return isThere;
}

/**
 * One Chromium for all the files that this process runs: starting it costs as much as most tests in it. It ends with the process,
 * also with one that is killed, because it hangs on a pipe of it.
 */
export async function sharedChromium(): Promise<Browser> {
  launched ??= launchChromium();
  const mine = launched;
  const known = await mine.catch(() => undefined);
  if (known?.isConnected() === true) return known;
  // Of those who find it broken, the first one launches.
  if (launched === mine) launched = launchChromium();
  return launched;
}
