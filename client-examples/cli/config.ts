import { constants } from 'node:fs';
import { mkdir, open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { CliError, EXIT, usage } from './exits.ts';
import type { World } from './world.ts';

/** Where the server is, and what is presented to it. */
export interface Settings {
  /** Without a slash at its end. */
  url: string;
  key: string;
}

/** The world of a program that was started in a shell. The only place that reads the environment. */
export function systemWorld(stopping: AbortSignal): World {
  const { env, stdin, stdout, stderr } = process;
  return { environment: env, home: homedir(), stdin, stdout, stderr, stopping };
}

/**
 * From KELPIE_API_URL and KELPIE_API_KEY, or else from the file that `login` writes. The file's key goes to the file's server alone: with
 * another one in the environment, the key must come from there as well.
 * @throws CliError when something is missing, or the file can be read by others
 */
export async function loadSettings(world: World): Promise<Settings> {
  const { KELPIE_API_URL: givenUrl, KELPIE_API_KEY: givenKey } = world.environment;
  const url = isSet(givenUrl) ? parseServer(givenUrl, 'KELPIE_API_URL') : undefined;
  if (url !== undefined && isSet(givenKey)) return { url, key: givenKey.trim() };
  const stored = await readStored(configPath(world));
  if (stored === undefined) throw missing(url === undefined ? 'KELPIE_API_URL' : 'KELPIE_API_KEY');
  if (isSet(givenKey)) return { url: url ?? stored.url, key: givenKey.trim() };
  if (url !== undefined && url !== stored.url) {
    throw new CliError(
      EXIT.USAGE,
      `The stored key is for ${stored.url}, and KELPIE_API_URL says ${url}. Set KELPIE_API_KEY too, or run: kelpie-cli login ${url}`,
    );
  }
  return stored;
}

/** Writes the file whole, for its owner's eyes alone. Returns its path. */
export async function storeSettings(world: World, settings: Settings): Promise<string> {
  const path = configPath(world);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}.part`;
  try {
    await writeFile(fresh, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
  return path;
}

/** Whether there was anything to remove. */
export async function removeSettings(world: World): Promise<{ path: string; removed: boolean }> {
  const path = configPath(world);
  try {
    await rm(path);
    return { path, removed: true };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { path, removed: false };
    throw error;
  }
}

/** `https` where no scheme stands. `name` is what the fault is told of. */
export function parseServer(text: string, name: string): string {
  const trimmed = text.trim();
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `https://${trimmed}`);
  // What came is not repeated: it may be the key, in the wrong place.
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw usage(`${name}: expected a host or an http or https URL, such as kelpie.example or http://localhost:4000`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw usage(`${name}: expected an address alone, without user, password, "?" or "#"`);
  }
  return `${url.protocol}//${url.host}${url.pathname.replace(/(?<!\/)\/+$/, '')}`;
}

/** By the XDG base directory specification, which has relative paths ignored. */
function configPath({ environment, home }: World): string {
  const { XDG_CONFIG_HOME: given } = environment;
  const base = isSet(given) && isAbsolute(given) ? given : join(home, '.config');
  return join(base, 'kelpie', 'config.json');
}

const storedSettings = z.object({ url: z.string(), key: z.string().min(1) });

async function readStored(path: string): Promise<Settings | undefined> {
  const file = await open(path, constants.O_RDONLY).catch(ignoreAbsence);
  if (file === undefined) return undefined;
  try {
    await demandPrivacy(file, path);
    const parsed = storedSettings.safeParse(parseJson(await file.readFile('utf8')));
    if (!parsed.success) throw usage(`${path}: expected {"url", "key"}. Write it anew by: kelpie-cli login URL`);
    return { url: parseServer(parsed.data.url, path), key: parsed.data.key };
  } finally {
    await file.close();
  }
}

/** Asked of the open file, so that nobody can put another in its place in between. */
async function demandPrivacy(file: FileHandle, path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const { mode } = await file.stat();
  if ((mode & 0o077) === 0) return;
  const shown = (mode & 0o777).toString(8).padStart(3, '0');
  throw usage(`${path} has your key, and its mode is ${shown}: expected 600. Run: chmod 600 ${path}`);
}

function missing(name: string): CliError {
  return usage(`${name} is not set. Set KELPIE_API_URL and KELPIE_API_KEY, or run: kelpie-cli login URL`);
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function ignoreAbsence(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return undefined;
  throw usage(`The configuration can't be read: ${error instanceof Error ? error.message : String(error)}`);
}
