import { z } from 'zod';
import { authenticate, type Viewer } from '../../core/accounts/keys.ts';
import { retireAgents } from '../../core/agents/retire.ts';
import type { OpenCore } from '../../core/open.ts';
import type { Config } from '../../server/config.ts';
import { runProgram, type OwnMachines } from '../../server/main.ts';
import { createLocalMachines } from './machines.ts';
import { MACHINES } from './stack.ts';

const settings = z.object({ directory: z.string(), s3Url: z.string(), key: z.string(), room: z.int() });

/**
 * The server, with processes of this machine as the machines of every container group of one account. For trying out, and no setting
 * of the server's own: whoever may make rules here starts programs here.
 */
await runProgram(localMachines);

function localMachines({ KELPIE_HOST, KELPIE_PORT }: Config): OwnMachines {
  const text = process.env[MACHINES];
  if (text === undefined) throw new Error(`Expected ${MACHINES}, got none: start this by npm run dev`);
  const { key, ...rest } = settings.parse(JSON.parse(text));
  let owner: { core: OpenCore; viewer: Viewer } | undefined;
  const provider = createLocalMachines({
    ...rest,
    key,
    url: `http://${KELPIE_HOST}:${KELPIE_PORT}`,
    has: ({ accountId }) => accountId === owner?.viewer.accountId,
    retire: async (...asked) => (owner === undefined ? [] : retireAgents(owner.core, ...asked)),
  });
  return {
    provider,
    async opened(core) {
      const viewer = await authenticate(core, key);
      if (viewer === undefined) throw new Error(`Expected a key of an account in ${MACHINES}, got an unknown one`);
      owner = { core, viewer };
    },
    close: () => provider.close(),
  };
}
