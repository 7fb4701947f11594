import { parseArgs } from 'node:util';
import { messageOf } from '../lib/errors.ts';

/** What somebody wants of this program: without a word, that it does jobs. */
export type Wish = { kind: 'RUN' | 'CHECK' | 'VERSION' | 'HELP' } | { kind: 'UNCLEAR'; why: string };

/** @param words what stands behind the program's name */
export function wishOf(words: readonly string[]): Wish {
  try {
    const { values } = parseArgs({ args: [...words], options: OPTIONS });
    if (values.help === true) return { kind: 'HELP' };
    if (values.version === true) return { kind: 'VERSION' };
    return { kind: values.check === true ? 'CHECK' : 'RUN' };
  } catch (error) {
    return { kind: 'UNCLEAR', why: messageOf(error) };
  }
}

const OPTIONS = {
  check: { type: 'boolean' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const HELP = `kelpie: the agent that does the jobs of a container group

Without a word it asks the server for work, brings the data, runs the command, carries the results
away, and asks again, until it is told to stop.

  --check    tries the server, the key, the storage and the directories, and says what is wrong
  --version  says the version
  --help     says this

It is told by the environment what to do. Needed:

  KELPIE_API_URL            the server
  KELPIE_API_KEY            a key of the role AGENT; on Salad, KELPIE_SALAD_PROJECT may do instead
  SALAD_MACHINE_ID          the id of this machine
  SALAD_CONTAINER_GROUP_ID  the group whose jobs are wanted
  AWS_…                     the storage, as the AWS SDK reads it

docs/configuration.md has all the others. Exit codes: 0 when it was told to stop or has nothing more
to do, 1 when --check has found something wrong, 2 when the environment or a word is not understood.
`;
