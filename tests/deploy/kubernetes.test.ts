import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { loadConfig as readAgentConfig } from '../../agent/config.ts';
import { GROUP_LABEL } from '../../core/scaling/providers/kubernetes.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { readConfig } from '../../server/config.ts';

const DIRECTORY = join(import.meta.dirname, '../../deploy/kubernetes');
const KUSTOMIZATION = 'kustomization.yaml';
/** Each is applied by itself. */
const KUSTOMIZATIONS = ['.', 'agents', 'group'];
const header = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
type Manifest = z.infer<typeof header>;

const podTemplate = z.object({ template: z.object({ spec: z.looseObject({ containers: z.array(z.unknown()) }) }) });
const labels = z.record(z.string(), z.string());
const group = z.object({
  metadata: z.object({ labels }),
  spec: z.object({
    selector: z.object({ matchLabels: labels }),
    template: z.object({
      metadata: z.object({ labels }),
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        containers: z.tuple([
          z.object({
            image: z.string(),
            env: z.array(
              z.object({
                name: z.string(),
                value: z.string().optional(),
                valueFrom: z.object({ fieldRef: z.object({ fieldPath: z.string() }) }).optional(),
              }),
            ),
            envFrom: z.array(z.unknown()),
          }),
        ]),
      }),
    }),
  }),
});

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

/** The first: those of the servers come before those of a group. */
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

  test('make no variables of services, one of which would be the setting KELPIE_PORT', () => {
    expect(() => readConfig({ KELPIE_PORT: 'tcp://10.0.0.1:80' })).toThrow('KELPIE_PORT');
    const pods = manifests.flatMap(({ spec }) => podTemplate.safeParse(spec).data?.template.spec ?? []);
    expect(pods.length).toBeGreaterThan(2);
    for (const pod of pods) expect(pod).toHaveProperty('enableServiceLinks', false);
  });

  test('name the image as a release does, of this version', () => {
    const { images } = kustomizationOf('.');
    expect(images).toEqual([
      { name: 'kelpie-server', newName: 'registry.example.com/owner/kelpie/server', newTag: packageJson.version },
    ]);
    const release = readFileSync(join(DIRECTORY, '../../.github/workflows/release.yml'), 'utf8');
    // REPOSITORY is the owner's name and the repository's.
    expect(release).toContain('image="$REGISTRY/${REPOSITORY,,}/server:${GITHUB_REF_NAME#v}"');
  });
});

describe('the example of a container group', () => {
  const [deployment] = parseFile('group/agents.yaml');
  const { metadata, spec } = group.parse(deployment);
  const pod = spec.template.spec;

  test('is one that the servers find, and whose pods it selects', () => {
    expect(Object.keys(metadata.labels)).toEqual([GROUP_LABEL]);
    expect(spec.selector.matchLabels).toEqual(metadata.labels);
    expect(spec.template.metadata.labels).toEqual(metadata.labels);
    expect(kustomizationOf('group').images.map(({ name }) => name)).toEqual([pod.containers[0].image]);
  });

  test('starts an agent that knows its machine by its pod, and its group by the label', () => {
    const fields: Record<string, string | undefined> = {
      'metadata.name': 'first-7d4b9',
      [`metadata.labels['${GROUP_LABEL}']`]: metadata.labels[GROUP_LABEL],
    };
    const environment = Object.fromEntries(
      pod.containers[0].env.map(({ name, value, valueFrom }) => [
        name,
        value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''],
      ]),
    );
    // The secret’s, as docs/deployment.md has it made.
    const manual = readFileSync(join(DIRECTORY, '../../docs/deployment.md'), 'utf8');
    expect(manual).toContain('create secret generic kelpie-agent --from-file=KELPIE_API_KEY=');
    expect(pod.containers[0].envFrom).toEqual([{ secretRef: { name: 'kelpie-agent' } }]);
    const config = readAgentConfig({ ...environment, KELPIE_API_KEY: 'a-key' });
    expect(config).toMatchObject({ machineId: 'first-7d4b9', containerGroupId: 'first' });
    expect(config.metadataUrl).toBeUndefined();
    const server = ofKind('Service').metadata.name;
    expect(config.graphqlUrl).toBe(`ws://${server}.${kustomizationOf('.').namespace}/graphql`);
    expect(kustomizationOf('group').namespace).toBe(kustomizationOf('agents').namespace);
  });

  test('has the time to stop that the agent may take', () => {
    const graces = readAgentConfig({
      ...{ KELPIE_API_URL: 'https://kelpie.example', KELPIE_API_KEY: 'a-key' },
      ...{ SALAD_MACHINE_ID: 'one', SALAD_CONTAINER_GROUP_ID: 'first' },
    });
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(graces.shutdownGraceMs + graces.uploadGraceMs);
  });
});

function kustomizationOf(directory: string) {
  const image = z.object({ name: z.string(), newName: z.string(), newTag: z.string() });
  return z
    .object({ namespace: z.string(), images: z.array(image).default([]) })
    .parse(parse(read(join(directory, KUSTOMIZATION))));
}
