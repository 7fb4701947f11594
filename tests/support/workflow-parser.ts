import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Its modules import JSON without saying so, as bundlers allow and Node does not. */
async function loadParser() {
  const hooks = registerHooks({
    load: (url, context, next) =>
      url.includes('/@actions/workflow-parser/') && url.endsWith('.json')
        ? { format: 'module', source: `export default ${readFileSync(fileURLToPath(url), 'utf8')}`, shortCircuit: true }
        : next(url, context),
  });
  try {
    return await import('@actions/workflow-parser');
  } finally {
    hooks.deregister();
  }
}

const { NoOperationTraceWriter, parseWorkflow } = await loadParser();

/** What GitHub's own parser has against a workflow. */
export function faultsOfWorkflow(name: string, content: string): string[] {
  const { context } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  return context.errors.getErrors().map(({ message }) => message);
}
