import { z } from 'zod';

/** Licences that ask for no more than to be named. Any other is a decision, to be written down in docs/decisions. */
const ALLOWED = [
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0'],
  ...['CC0-1.0', 'Unlicense', 'PSF-2.0', 'Python-2.0', 'Zlib'],
];

const license = z.union([
  z.object({ license: z.object({ id: z.string() }) }).transform((one) => one.license.id),
  z.object({ license: z.object({ name: z.string() }) }).transform((one) => one.license.name),
  z.object({ expression: z.string() }).transform((one) => one.expression),
]);

const bill = z.object({
  bomFormat: z.literal('CycloneDX'),
  components: z.array(z.object({ name: z.string(), version: z.string(), licenses: z.array(license).default([]) })),
});
export type Bill = z.infer<typeof bill>;

/** @throws z.ZodError when the text is no bill of materials */
export function parseBill(text: string): Bill {
  return bill.parse(JSON.parse(text));
}

/** One line a package: name, version, licences. */
export function licenseList({ components }: Bill): string {
  const lines = components.map(({ name, version, licenses }) => `${name} ${version} ${licenses.join(' AND ')}\n`);
  return lines.toSorted().join('');
}

/** What is under a licence that is not one of those we take, or under none that it names. */
export function licenseFaults({ components }: Bill): string[] {
  return components.flatMap(({ name, version, licenses }) => {
    if (licenses.length > 0 && licenses.every(isAllowed)) return [];
    const got = licenses.length === 0 ? 'none' : licenses.join(' AND ');
    return [`${name} ${version}: expected a licence of ${ALLOWED.join(', ')}, got ${got}`];
  });
}

/** Of `(A OR B)` one is enough, of `(A AND B)` both are needed; nothing deeper is in use. */
function isAllowed(expression: string): boolean {
  const terms = expression.replace(/^\((.*)\)$/, '$1');
  if (terms.includes(' AND ')) return terms.split(' AND ').every((term) => ALLOWED.includes(term));
  return terms.split(' OR ').some((term) => ALLOWED.includes(term));
}

const GRAVE = ['high', 'critical'];
const audit = z.object({
  vulnerabilities: z.record(
    z.string(),
    z.object({ severity: z.string(), range: z.string().default(''), nodes: z.array(z.string()) }),
  ),
});

/** What `npm audit --json` found that is grave, and lies at a place that is shipped; or why it could not ask. */
export function auditOf(
  text: string,
  isShipped: (place: string) => boolean,
): { faults: string[] } | { unknown: string } {
  const answer: unknown = JSON.parse(text);
  const found = audit.safeParse(answer);
  if (!found.success) return { unknown: reasonIn(answer) };
  const faults = Object.entries(found.data.vulnerabilities)
    .filter(([, { severity, nodes }]) => GRAVE.includes(severity) && nodes.some(isShipped))
    .map(([name, { severity, range }]) => `${name} ${range} has a weakness that is ${severity}: see npm audit`);
  return { faults };
}

function reasonIn(answer: unknown): string {
  const { data } = z.object({ message: z.string() }).safeParse(answer);
  return data === undefined ? 'npm gave no reason' : withoutAddresses(data.message);
}

/** Without the address of whoever was asked. */
export function withoutAddresses(text: string): string {
  return text.replace(/(?<!\S)\S+:\/\/\S+/g, 'the registry');
}
