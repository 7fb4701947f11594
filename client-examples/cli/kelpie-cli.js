#!/usr/bin/env node
/**
 * What npx and `npm link` run. Plain JavaScript, which any Node reads: an older one fails at the types of main.ts, with a stack that helps
 * nobody.
 */
const NEEDED = 24;
const { node } = process.versions;

if (Number.parseInt(node) >= NEEDED) {
  await import('./main.ts');
} else {
  process.stderr.write(
    `kelpie-cli needs Node ${NEEDED} or newer, and this is ${node}. In its repository, "npx kelpie-cli" runs it with the one that "npm ci" has installed.\n`,
  );
  process.exitCode = 2;
}
