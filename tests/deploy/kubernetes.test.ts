import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { readConfig } from '../../server/config.ts';

const DIRECTORY = join(import.meta.dirname, '../../deploy/kubernetes');
const KUSTOMIZATION = 'kustomization.yaml';
const header = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
type Manifest = z.infer<typeof header>;

const files = readdirSync(DIRECTORY).filter((file) => file !== KUSTOMIZATION);
const manifests = files.flatMap((file) =>
  parseAllDocuments(read(file)).map((document) => header.parse(document.toJS())),
);

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

  test('are all applied', () => {
    const { resources } = z.object({ resources: z.array(z.string()) }).parse(parse(read(KUSTOMIZATION)));
    expect(resources.toSorted()).toEqual(files.toSorted());
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
