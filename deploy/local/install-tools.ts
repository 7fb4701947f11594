import { installTool, nameOf, VERSITYGW, WEED } from './tools.ts';

/** Installs the named tools, or the one that the suite can be run against everywhere; what can't be had is told, and no failure. */
const KNOWN = [WEED, VERSITYGW];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !KNOWN.some((tool) => nameOf(tool) === name));
if (unknown.length > 0) {
  console.error(`unknown tools: ${unknown.join(', ')}; known are ${KNOWN.map(nameOf).join(', ')}`);
  process.exit(2);
}
for (const tool of wanted.length === 0 ? [WEED] : KNOWN.filter((one) => wanted.includes(nameOf(one)))) {
  const installed = await installTool(tool);
  console.log('path' in installed ? `${nameOf(tool)} is at ${installed.path}` : installed.missing);
}
