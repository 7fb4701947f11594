/** Seconds until the next try after the first, second, … failure, as Standard Webhooks recommends. Then it is abandoned. */
const RETRY_AFTER_SECONDS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/** So much more or less, that not everything which failed at once comes back at once. */
const JITTER = 0.1;
/** No receiver may put a webhook off for longer. */
const LONGEST_WAIT_SECONDS = 86_400;

/** The receiver says that it is no more, and wants nothing more. */
const GONE = 410;

/**
 * When a webhook whose try number `tries` has failed is tried again, in seconds from now; undefined: it is abandoned.
 * @param failure the answer, where there was one: its status and its `Retry-After`
 * @param chance between 0 and 1, what the jitter is made of
 */
export function nextTry(
  tries: number,
  failure: { status?: number | undefined; retryAfter?: string | undefined },
  { now, chance }: { now: Date; chance: number },
): number | undefined {
  const planned = RETRY_AFTER_SECONDS[tries - 1];
  if (planned === undefined || failure.status === GONE) return undefined;
  const wished = secondsOf(failure.retryAfter, now) ?? 0;
  return Math.max(planned * (1 - JITTER + 2 * JITTER * chance), Math.min(wished, LONGEST_WAIT_SECONDS));
}

/** RFC 9110: a number of seconds, or a date. */
function secondsOf(retryAfter: string | undefined, now: Date): number | undefined {
  if (retryAfter === undefined) return undefined;
  if (/^\d{1,10}$/.test(retryAfter.trim())) return Number(retryAfter);
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - now.getTime()) / 1_000);
}
