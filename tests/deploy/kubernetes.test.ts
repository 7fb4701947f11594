import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { readConfig } from '../../server/config.ts';

const DIRECTORY = join(import.meta.dirname, '../../deploy/kubernetes');
const KUSTOMIZATION = 'kustomization.yaml';
/** Each is applied by itself. */
const KUSTOMIZATIONS = ['.', 'agents'];
const header = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
type Manifest = z.infer<typeof header>;

const manifests = KUSTOMIZATIONS.flatMap((directory) => manifestsOf(directory).flatMap(parseFile));

function manifestsOf(directory: string): string[] {
  const files = readdirSync(join(DIRECTORY, directory)).filter(
    (file) => file.endsWith('.yaml') && file !== KUSTOMIZATION,
  );
  return files.map((file) => join(directory, file));
}

function parseFile(file: string): Manifest[] {
  return parseAllDocuments(read(file)).map((document) => header.parse(document.toJS()));
}

function read(file: string): string {
  return readFileSync(join(DIRECTORY, file), 'utf8');
}

const model = z.custom<new (data: Manifest) => { validate(): void }>((value) => typeof value === 'function');

/** @throws what Kubernetes' own schema for its kind finds wrong, unknown fields included */
async function validate(manifest: Manifest): Promise<void> {
  const models: unknown = await import(/* @vite-ignore */ `kubernetes-models/${manifest.apiVersion}`);
  const Model = z.record(z.string(), model).parse(models)[manifest.kind];
  if (Model === undefined) throw new Error(`There is no ${manifest.kind} in ${manifest.apiVersion}`);
  new Model(manifest).validate();
}

function ofKind(kind: string): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind);
  if (found === undefined) throw new Error(`Expected a ${kind}, got none`);
  return found;
}

describe('the manifests for Kubernetes', () => {
  test('are what its API takes', async () => {
    expect(manifests.length).toBeGreaterThan(7);
    for (const manifest of manifests) await expect(validate(manifest), manifest.kind).resolves.toBeUndefined();
  });

  test('would not pass with a field that is misspelled, or a value of another type', async () => {
    const budget = ofKind('PodDisruptionBudget');
    await expect(validate({ ...budget, spec: { maxUnavailable: [] } })).rejects.toThrow();
    await expect(validate({ ...ofKind('Deployment'), spec: { replicaz: 3 } })).rejects.toThrow();
  });

  test.for(KUSTOMIZATIONS)('in %s are all applied, into the namespace of their kustomization', (directory) => {
    const kustomization = z.object({ resources: z.array(z.string()), namespace: z.string() });
    const { resources, namespace } = kustomization.parse(parse(read(join(directory, KUSTOMIZATION))));
    const files = manifestsOf(directory);
    expect(resources.map((file) => join(directory, file)).toSorted()).toEqual(files.toSorted());
    // kustomize would move one that names another.
    for (const { kind, metadata } of files.flatMap(parseFile)) {
      expect([undefined, namespace], kind).toContain(metadata.namespace);
    }
  });

  test('give the servers’ own account the right to scale in the namespace in which they do', () => {
    const namespaceOf = (directory: string) =>
      z.object({ namespace: z.string() }).parse(parse(read(join(directory, KUSTOMIZATION)))).namespace;
    const { name } = ofKind('ServiceAccount').metadata;
    expect(ofKind('RoleBinding')).toMatchObject({
      roleRef: { name: ofKind('Role').metadata.name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: namespaceOf('.') }],
    });
    expect(ofKind('Deployment')).toMatchObject({ spec: { template: { spec: { serviceAccountName: name } } } });
    expect(ofKind('ConfigMap')).toMatchObject({ data: { KELPIE_PROVIDER_NAMESPACE: namespaceOf('agents') } });
  });

  test('select the pods that they make, and set what the server knows', () => {
    const labels = { 'app.kubernetes.io/name': 'kelpie' };
    const pods = { metadata: { labels } };
    expect(ofKind('Deployment')).toMatchObject({ spec: { selector: { matchLabels: labels }, template: pods } });
    expect(ofKind('Service')).toMatchObject({ spec: { selector: labels } });
    expect(ofKind('PodDisruptionBudget')).toMatchObject({ spec: { selector: { matchLabels: labels } } });
    const { data } = z.object({ data: z.record(z.string(), z.string()) }).parse(ofKind('ConfigMap'));
    const config: Record<string, unknown> = readConfig(data);
    for (const name of Object.keys(data)) expect(config, name).toHaveProperty(name);
  });
});
