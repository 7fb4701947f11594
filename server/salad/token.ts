import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { saladName } from '../../core/accounts/names.ts';
import { ForbiddenError, UnavailableError } from '../../core/errors.ts';
import { containerGroupId, machineId } from '../../core/jobs/fields.ts';
import { boundedBody } from '../../lib/bounded-body.ts';

/** What a token of the instance metadata service says of the container that presents it. */
export interface Instance {
  organization: string;
  organizationId: string;
  machineId: string;
  containerGroupId: string;
  /** In milliseconds since 1970. */
  expiresAt: number;
}

export interface TokenCheck {
  /**
   * @throws ForbiddenError for a token that is not Salad's, not for us, over, or without a claim that is needed
   * @throws UnavailableError when Salad's keys can't be had
   */
  verify(token: string): Promise<Instance>;
}

export interface TokenCheckParts {
  /** Where Salad's public keys are. */
  jwksUrl: string;
  issuer?: string | undefined;
  audience?: string | undefined;
  /** A clock that only goes forward, in milliseconds. */
  now?: () => number;
}

/** Signatures of a key pair only: with a shared secret, whoever knows the public key could sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const CLOCK_TOLERANCE_SECONDS = 5;
/** Salad's have at most 1,000 characters. */
const MAX_TOKEN_LENGTH = 8_192;

export function createTokenCheck(parts: TokenCheckParts): TokenCheck {
  const { jwksUrl, issuer, audience, now = () => performance.now() } = parts;
  const keys = remoteKeys(new URL(jwksUrl), now);
  const options = {
    algorithms: ALGORITHMS,
    requiredClaims: ['exp'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  };
  return {
    async verify(token) {
      if (token.length > MAX_TOKEN_LENGTH) throw refused(`it has more than ${MAX_TOKEN_LENGTH} characters`);
      try {
        const { payload } = await jwtVerify(token, keys, options);
        return instanceOf(payload);
      } catch (error) {
        if (error instanceof errors.JOSEError) throw refused(error.message);
        throw error;
      }
    },
  };
}

const claims = z
  .object({
    salad_organization_name: saladName,
    salad_organization_id: z.string().min(1).max(100),
    salad_workload_id: containerGroupId,
    salad_machine_id: machineId,
    exp: z.number(),
  })
  .transform((claim): Instance => ({
    organization: claim.salad_organization_name,
    organizationId: claim.salad_organization_id,
    containerGroupId: claim.salad_workload_id,
    machineId: claim.salad_machine_id,
    expiresAt: claim.exp * 1_000,
  }));

function instanceOf(payload: unknown): Instance {
  const result = claims.safeParse(payload);
  if (result.success) return result.data;
  throw refused(
    `its claims ${[...new Set(result.error.issues.map(({ path }) => path.join('.')))].join(', ')} are not usable`,
  );
}

function refused(why: string): ForbiddenError {
  return new ForbiddenError(
    `The token in Authorization is not accepted: ${why}. Fetch a new one from the instance metadata service.`,
  );
}

const TIME_LIMIT_MS = 5_000;
const MAX_KEYS_BYTES = 1_048_576;
/** How often an unknown key id may make us look for new keys. */
const COOL_DOWN_MS = 30_000;
/** After a failure the other side is left alone for so long. */
const FAILURE_COOL_DOWN_MS = 1_000;
/** Keys that Salad has withdrawn are forgotten after so long. */
const REFRESH_MS = 300_000;
/** While Salad's keys can't be had, the last ones serve for so long: running jobs must not be lost over that. */
const MAX_AGE_MS = 86_400_000;

/** Salad's public keys, kept up to date. That they can't be had is no fault of a token. */
function remoteKeys(url: URL, now: () => number): JWTVerifyGetKey {
  let askedAt = -Infinity;
  let failedAt = -Infinity;
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: TIME_LIMIT_MS,
    cooldownDuration: COOL_DOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    [customFetch]: async (from, options) => {
      if (now() - failedAt < FAILURE_COOL_DOWN_MS) throw new Error('They could not be had just now');
      askedAt = now();
      return fetchKeys(from, options);
    },
  });
  const refresh = async (): Promise<void> => {
    try {
      await keys.reload();
    } catch {
      // Those at hand serve on; a token of a key that is not among them asks again.
      failedAt = now();
    }
  };
  return async (header, token) => {
    if (keys.fresh && now() - askedAt > REFRESH_MS) void refresh();
    try {
      return await keys(header, token);
    } catch (error) {
      if (isOfToken(error)) throw error;
      if (now() - failedAt >= FAILURE_COOL_DOWN_MS) failedAt = now();
      throw new UnavailableError(
        'Salad’s public keys could not be had, so the token in Authorization could not be checked. Ask again.',
      );
    }
  };
}

async function fetchKeys(from: string, options: RequestInit): Promise<Response> {
  const response = await fetch(from, options);
  if (response.status === 200) return new Response(await boundedBody(response, MAX_KEYS_BYTES));
  await response.body?.cancel();
  throw new Error(`Expected Salad's public keys, got status ${response.status}`);
}

function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
