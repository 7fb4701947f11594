import { createHash } from 'node:crypto';
import { z } from 'zod';
import { UnavailableError } from '../../core/errors.ts';
import { boundedBody } from '../../lib/bounded-body.ts';
import { boundedMap } from '../../lib/bounded-map.ts';

/** A key of Salad's API, and where it is to be used. The names are plain ones (`saladName`). */
export interface ProjectCredentials {
  apiKey: string;
  organization: string;
  project: string;
}

/** Whether a key may act for a project, by Salad's public API. */
export interface ProjectCheck {
  /** @throws UnavailableError when that could not be found out: neither a yes nor a no */
  allows(credentials: ProjectCredentials): Promise<boolean>;
}

/** A project is described in some hundred bytes. */
const MAX_ANSWER_BYTES = 262_144;
/** A key that was withdrawn at Salad is taken for so long; Salad allows a key four requests a second. */
const YES_MS = 60_000;
/** A key that was just made, or a project, may be asked for before it is there. */
const NO_MS = 10_000;
const MAX_ANSWERS = 1_000;
/** More questions at once are nobody's ordinary use: somebody makes keys up. */
const MAX_LOOKUPS = 50;
const ASK_AGAIN_SECONDS = 5;
/** What can stand in a header; nobody has made a key of anything else. */
const SENDABLE = /^[\x21-\x7e]{1,1000}$/;

/**
 * Answers are remembered by the hash of the credentials, a bounded number for a bounded time; a failure is not an answer. The
 * same question, asked by many at once, is asked of Salad once.
 * @param parts.apiUrl as in `https://host/api/public`, without a slash at its end
 * @param parts.timeLimitMs how long Salad may take for an answer
 * @param parts.now a clock that only goes forward, in milliseconds
 */
export function createProjectCheck(parts: { apiUrl: string; timeLimitMs?: number; now?: () => number }): ProjectCheck {
  const { apiUrl, timeLimitMs = 5_000, now = () => performance.now() } = parts;
  const answers = boundedMap<{ allowed: boolean; until: number }>(MAX_ANSWERS);
  const lookups = new Map<string, Promise<boolean>>();

  const look = async (hash: string, credentials: ProjectCredentials): Promise<boolean> => {
    try {
      const allowed = await askSalad({ apiUrl, timeLimitMs }, credentials);
      answers.set(hash, { allowed, until: now() + (allowed ? YES_MS : NO_MS) });
      return allowed;
    } finally {
      lookups.delete(hash);
    }
  };

  return {
    async allows(credentials) {
      if (!SENDABLE.test(credentials.apiKey)) return false;
      const hash = hashOf(credentials);
      const known = answers.get(hash);
      if (known !== undefined && now() < known.until) return known.allowed;
      let lookup = lookups.get(hash);
      if (lookup === undefined) {
        if (lookups.size >= MAX_LOOKUPS) throw unchecked(`${MAX_LOOKUPS} others are being checked`);
        lookup = look(hash, credentials);
        lookups.set(hash, lookup);
      }
      return lookup;
    },
  };
}

/** The parts can't run into each other: as JSON, each is quoted. */
function hashOf({ apiKey, organization, project }: ProjectCredentials): string {
  return createHash('sha256')
    .update(JSON.stringify([organization, project, apiKey]))
    .digest('base64');
}

async function askSalad(
  { apiUrl, timeLimitMs }: { apiUrl: string; timeLimitMs: number },
  { apiKey, organization, project }: ProjectCredentials,
): Promise<boolean> {
  const path = `organizations/${encodeURIComponent(organization)}/projects/${encodeURIComponent(project)}`;
  try {
    const response = await fetch(`${apiUrl}/${path}`, {
      headers: { 'Salad-Api-Key': apiKey, Accept: 'application/json' },
      // A redirect would carry the key to wherever it points.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeLimitMs),
    });
    return await verdictOf(response, project);
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    // Not as a cause: what the network says may name more than whoever asked should know.
    throw unchecked('it did not answer in time, or not as expected');
  }
}

const projectAnswer = z.looseObject({ name: z.string().optional() });

async function verdictOf(response: Response, project: string): Promise<boolean> {
  const { status } = response;
  if (status !== 200) {
    await response.body?.cancel();
    if (status === 401 || status === 403 || status === 404) return false;
    throw unchecked(`it answered with status ${status}`);
  }
  // A page of a proxy or a portal is also a 200.
  const body: unknown = JSON.parse(Buffer.from(await boundedBody(response, MAX_ANSWER_BYTES)).toString('utf8'));
  const { name = project } = projectAnswer.parse(body);
  if (name.toLowerCase() !== project) throw unchecked('it answered with another project');
  return true;
}

function unchecked(why: string): UnavailableError {
  return new UnavailableError(
    `Whether the Salad-Api-Key may act for this organization and project could not be checked with Salad: ${why}. Ask again.`,
    ASK_AGAIN_SECONDS,
  );
}
