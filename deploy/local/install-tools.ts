import { ACTIONLINT, EXAMPLE_PACKAGES, installTool, nameOf, PG_DUMP, PROMTOOL, VERSITYGW, WEED } from './tools.ts';

/** Installs the named tools, or those that the suite uses everywhere; what can't be had is told, and no failure. */
const USUAL = [WEED, EXAMPLE_PACKAGES, PG_DUMP, ACTIONLINT, PROMTOOL];
const KNOWN = [...USUAL, VERSITYGW];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !KNOWN.some((tool) => nameOf(tool) === name));
if (unknown.length > 0) {
  console.error(`unknown tools: ${unknown.join(', ')}; known are ${KNOWN.map(nameOf).join(', ')}`);
  process.exit(2);
}
for (const tool of wanted.length === 0 ? USUAL : KNOWN.filter((one) => wanted.includes(nameOf(one)))) {
  const installed = await installTool(tool);
  console.log('path' in installed ? `${nameOf(tool)} is at ${installed.path}` : installed.missing);
}
