import { ago, duration, moment } from './format.ts';
import { useNow } from './now.ts';

/** How long ago something was; the moment itself on hovering. */
export function Ago({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={moment(at)}>
      {ago(at, now)}
    </time>
  );
}

/** How long something has lasted, or did. */
export function Lasting({ from, to }: { from: string; to: string | null }) {
  const now = useNow();
  const end = to === null ? now : Date.parse(to);
  return <span>{duration((end - Date.parse(from)) / 1_000)}</span>;
}
