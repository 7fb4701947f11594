import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import { auditOf, licenseFaults, licenseList, parseBill } from './supply-chain/verdicts.ts';

/**
 * `npm run supply-chain`: what runs in production is listed (CycloneDX, and its licences), its licences are ones that we take, and no
 * grave weakness of it is known. Where the registry can't be asked, that is said, and no fault. The exit code is 0 without faults.
 */
const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
try {
  const text = (await npm(['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'])).stdout;
  const bill = parseBill(text);
  await mkdir(dist, { recursive: true });
  await writeFile(join(dist, 'kelpie.cdx.json'), text);
  await writeFile(join(dist, 'licenses.txt'), licenseList(bill));
  say(`${bill.components.length} packages run in production: dist/kelpie.cdx.json, dist/licenses.txt`);
  const faults = licenseFaults(bill);
  const audit = auditOf((await npm(['audit', '--omit', 'dev', '--json'])).stdout);
  if ('unknown' in audit) say(`Known weaknesses were not looked up: ${audit.unknown}`);
  else faults.push(...audit.faults);
  for (const fault of faults) say(fault);
  if (faults.length > 0) process.exitCode = 1;
} catch (error) {
  say(`The supply chain could not be checked: ${messageOf(error)}`);
  process.exitCode = 1;
}

/** npm's own exit code says that it found something, which its output says as well. */
function npm(args: string[]): Promise<{ stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile('npm', args, { cwd: root, maxBuffer: 2 ** 26, timeout: 120_000 }, (error, stdout) => {
      if (stdout === '' && error !== null) reject(new Error(`npm ${args[0]} said nothing`, { cause: error }));
      else resolve({ stdout });
    });
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
