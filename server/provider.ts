import type { Provider } from '../core/scaling/provider.ts';
import { createSaladProvider } from '../core/scaling/providers/salad.ts';
import type { Config } from './config.ts';

/** Who has the machines, by the server's settings; nobody by default. */
export async function openProvider(config: Config): Promise<Provider | undefined> {
  const { KELPIE_PROVIDER: kind, KELPIE_SALAD_API_URL: apiUrl, KELPIE_PROVIDER_API_KEY: apiKey } = config;
  switch (kind) {
    case 'none':
      return undefined;
    case 'salad':
      if (apiUrl === undefined || apiKey === undefined) throw new Error('KELPIE_PROVIDER=salad lacks its URL or key');
      return createSaladProvider({
        ...{ apiUrl, apiKey },
        organization: config.KELPIE_PROVIDER_ORGANIZATION,
        project: config.KELPIE_PROVIDER_PROJECT,
      });
    case 'kubernetes': {
      // Its client is large, and nobody else needs it.
      const { KubeConfig } = await import('@kubernetes/client-node');
      const { createKubernetesProvider } = await import('../core/scaling/providers/kubernetes.ts');
      const cluster = new KubeConfig();
      cluster.loadFromDefault();
      return createKubernetesProvider({ config: cluster, namespace: config.KELPIE_PROVIDER_NAMESPACE });
    }
  }
}
