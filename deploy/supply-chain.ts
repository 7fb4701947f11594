import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import { buildDashboard, bundledPackages } from './dashboard.ts';
import { shippedBill, shippedPlaces } from './supply-chain/shipped.ts';
import { auditOf, licenseFaults, licenseList, parseBill, withoutAddresses } from './supply-chain/verdicts.ts';

/**
 * `npm run supply-chain`: what runs on servers, and what browsers get, is listed (CycloneDX, and its licences), its licences are ones that we
 * take, and no grave weakness of it is known. Where the registry can't be asked, that is said, and no fault. The exit code is 0 without faults.
 */
const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const SBOM = ['sbom', '--sbom-format', 'cyclonedx'];
/** It may complain of thousands of packages. */
const TOLD_LINES = 20;
try {
  await buildDashboard();
  const bundled = await bundledPackages();
  const text = shippedBill(await npm(...SBOM), await npm(...SBOM, '--omit', 'dev'), bundled);
  const bill = parseBill(text);
  await mkdir(dist, { recursive: true });
  await writeFile(join(dist, 'kelpie.cdx.json'), text);
  await writeFile(join(dist, 'licenses.txt'), licenseList(bill));
  say(
    `${bill.components.length} packages are shipped, ${bundled.length} of them to browsers: dist/kelpie.cdx.json, dist/licenses.txt`,
  );
  const faults = licenseFaults(bill);
  const isShipped = shippedPlaces(await readFile(join(root, 'package-lock.json'), 'utf8'), bundled);
  const audit = auditOf(await npm('audit', '--json'), isShipped);
  if ('unknown' in audit) say(`Known weaknesses were not looked up: ${audit.unknown}`);
  else faults.push(...audit.faults);
  for (const fault of faults) say(fault);
  if (faults.length > 0) process.exitCode = 1;
} catch (error) {
  say(`The supply chain could not be checked: ${messageOf(error)}`);
  process.exitCode = 1;
}

/** npm's own exit code says that it found something, which its output says as well. @throws what it complained of, when it printed nothing */
function npm(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('npm', args, { cwd: root, maxBuffer: 2 ** 26, timeout: 120_000 }, (error, stdout, stderr) => {
      if (stdout !== '' || error === null) {
        resolve(stdout);
        return;
      }
      const complaint = withoutAddresses(stderr.trim()).split('\n').slice(0, TOLD_LINES).join('\n');
      reject(
        new Error(`npm ${args[0]} said nothing${complaint === '' ? `: ${error.message}` : ` but:\n${complaint}`}`),
      );
    });
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
