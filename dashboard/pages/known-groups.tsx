import { GroupNamesDocument } from '../generated/graphql.ts';
import { useAnswer } from '../live/context.ts';

/** What a field for a container group has in `list`, beside it: a mistyped group is a queue that nobody works on. */
export const KNOWN_GROUPS = 'known-groups';

export function KnownGroups() {
  const { data } = useAnswer(GroupNamesDocument, {});
  return (
    <datalist id={KNOWN_GROUPS}>
      {data?.containerGroups.nodes.map(({ id }) => (
        <option key={id} value={id} />
      ))}
    </datalist>
  );
}
