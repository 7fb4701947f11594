import { z } from 'zod';

/** As far as it is asked here; whatever else npm says of it is kept. */
const bill = z.looseObject({
  components: z.array(
    z.looseObject({
      'bom-ref': z.string(),
      name: z.string(),
      version: z.string(),
      properties: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
    }),
  ),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()).default([]) })),
});

interface Package {
  name: string;
  version: string;
}

const DEVELOPMENT = 'cdx:npm:package:development';
/** Lies in node_modules, and is nobody's dependency: what an install script has put there. */
const EXTRANEOUS = 'cdx:npm:package:extraneous';

/**
 * Makes one bill of materials, as text, of npm's for what runs on servers and what is in browsers' bundle. The latter is for development as
 * npm sees it, since it is bundled before it is shipped.
 * @throws Error when `everything` does not have what is bundled
 */
export function shippedBill(everything: string, production: string, bundled: readonly Package[]): string {
  const whole = bill.parse(JSON.parse(everything));
  const onServers = new Set(bill.parse(JSON.parse(production)).components.map((one) => one['bom-ref']));
  const inBrowsers = new Set(bundled.map(nameAndVersion));
  const missing = [...inBrowsers].filter((one) => !whole.components.some((other) => nameAndVersion(other) === one));
  if (missing.length > 0) throw new Error(`Expected the packages of the bundle to be installed: ${missing.join(', ')}`);

  const components = whole.components
    .filter((one) => onServers.has(one['bom-ref']) || inBrowsers.has(nameAndVersion(one)))
    .filter(({ properties }) => !properties.some(({ name }) => name === EXTRANEOUS))
    .map((one) => ({ ...one, properties: one.properties.filter(({ name }) => name !== DEVELOPMENT) }));
  const kept = new Set(components.map((one) => one['bom-ref']));
  const root = whole.dependencies.slice(0, 1);
  const dependencies = [...root, ...whole.dependencies.slice(1).filter(({ ref }) => kept.has(ref))].map((one) => ({
    ...one,
    dependsOn: one.dependsOn.filter((ref) => kept.has(ref)),
  }));
  return JSON.stringify({ ...whole, components, dependencies }, null, 2);
}

const lock = z.object({
  packages: z.record(z.string(), z.object({ version: z.string(), dev: z.boolean().default(false) })),
});

/**
 * Whether what lies at a place such as `node_modules/a/node_modules/b` is shipped: npm's lock file knows what is for development alone.
 * A place that it does not know counts as shipped.
 */
export function shippedPlaces(lockFile: string, bundled: readonly Package[]): (place: string) => boolean {
  const { packages } = lock.parse(JSON.parse(lockFile));
  const inBrowsers = new Set(bundled.map(nameAndVersion));
  return (place) => {
    const found = packages[place];
    if (found?.dev !== true) return true;
    const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return inBrowsers.has(nameAndVersion({ name, version: found.version }));
  };
}

function nameAndVersion({ name, version }: Package): string {
  return `${name}@${version}`;
}
