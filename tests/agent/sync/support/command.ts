import { appendFile, lstat, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Works on files as a command does, one thing after the other, and remembers what each of them ever was. */
export interface Command {
  /** Writes over the file in place: to truncate comes before to write. */
  write(name: string, size: number): Promise<void>;
  /** The same, but holds on for `pauseMs`, and tells `onHalf`, when only `share` of the content is there. */
  writeSlowly(name: string, size: number, how: Slowly): Promise<void>;
  replace(name: string, size: number): Promise<void>;
  append(name: string): Promise<void>;
  rename(name: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Renames a directory as a whole: the times of what is in it stay as they are. Says whether it could. */
  move(from: string, to: string): Promise<boolean>;
  /** Saves a checkpoint: data first, then what names it, and then removes the ones before. */
  checkpoint(size: number): Promise<void>;
  /** Is killed while it writes over a file, which holds half of the new content then. Synchronous, as a death is. */
  dieWriting(name: string): void;
  /** Another machine has its files. */
  restart(): Promise<void>;
  /** What is on disk, by name; nothing of it is half-written. */
  files(): Promise<Record<string, string>>;
  /** Whether a file of this name was ever whole with this content, or had it for `settledMs` at least. */
  everWas(name: string, text: string, settledMs: number): boolean;
}

export interface Slowly {
  share: number;
  /** Whether what is not yet written over stays as it was until then. */
  keeps: boolean;
  pauseMs: number;
  onHalf?: () => void;
}

/** The one file that names another: the newest checkpoint. */
export const LATEST = 'latest';

export async function createCommand(directory: string): Promise<Command> {
  const root = join(directory, 'ckpt');
  await mkdir(root);
  const path = (name: string) => join(root, name);
  const states = new Map<string, Set<string>>();
  const passing: { name: string; text: string; lastedMs: number }[] = [];
  let version = 0;
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn =
    <Args extends unknown[], T>(task: (...args: Args) => Promise<T>) =>
    (...args: Args): Promise<T> => {
      const run = turn.then(() => task(...args));
      turn = run.catch(() => undefined);
      return run;
    };
  const was = (name: string, text: string) => void states.set(name, (states.get(name) ?? new Set()).add(text));
  const content = (name: string, size: number) => {
    version += 1;
    // Each of two mixed versions can be told from the other.
    const text = `${version}:${String.fromCharCode(97 + (version % 26)).repeat(size)}`;
    was(name, text);
    return text;
  };
  const textOf = (name: string) => readFile(path(name), 'utf8').catch(() => undefined);
  const writeOver = async (name: string, text: string) => {
    await mkdir(dirname(path(name)), { recursive: true });
    const began = performance.now();
    await writeFile(path(name), text);
    passing.push({ name, text: '', lastedMs: performance.now() - began });
    was(name, text);
  };

  return {
    write: inTurn((name, size) => writeOver(name, content(name, size))),
    writeSlowly: inTurn(async (name, size, { share, keeps, pauseMs, onHalf }) => {
      await mkdir(dirname(path(name)), { recursive: true });
      const old = keeps ? await textOf(name) : undefined;
      const text = content(name, size);
      const half = text.slice(0, Math.floor(text.length * share));
      const began = performance.now();
      const file = await open(path(name), old === undefined ? 'w' : 'r+');
      await file.write(half);
      onHalf?.();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await file.write(text.slice(half.length));
      await file.truncate(text.length);
      await file.close();
      const states = old === undefined ? ['', half] : [half, text].map((seen) => seen + old.slice(seen.length));
      for (const seen of new Set(states)) passing.push({ name, text: seen, lastedMs: performance.now() - began });
    }),
    replace: inTurn(async (name, size) => {
      await mkdir(dirname(path(name)), { recursive: true });
      await writeFile(join(directory, 'next'), content(name, size));
      await rename(join(directory, 'next'), path(name));
    }),
    append: inTurn(async (name) => {
      const before = await textOf(name);
      if (before === undefined) return;
      const more = `+${++version}`;
      was(name, before + more);
      await appendFile(path(name), more);
    }),
    rename: inTurn(async (name, to) => {
      const moved = await textOf(name);
      if (moved === undefined) return;
      was(to, moved);
      await mkdir(dirname(path(to)), { recursive: true });
      await rename(path(name), path(to));
    }),
    remove: inTurn((name) => rm(path(name), { force: true, recursive: true })),
    move: inTurn((from, to) =>
      rename(join(directory, from), join(directory, to)).then(
        () => true,
        () => false,
      ),
    ),
    checkpoint: inTurn(async (size) => {
      const old = (await readdir(root)).filter(isCheckpoint);
      const step = `step-${++version}`;
      await writeOver(step, content(step, size));
      // Within one step of the kernel's clock nobody can tell which was written first.
      do await writeOver(LATEST, step);
      while ((await ctimeOf(path(LATEST))) <= (await ctimeOf(path(step))));
      for (const name of old) await rm(path(name));
    }),
    dieWriting(name) {
      const text = content(name, 40);
      states.get(name)?.delete(text);
      writeFileSync(path(name), text.slice(0, 20));
    },
    restart: inTurn(async () => {
      await rm(root, { recursive: true, force: true });
      await rm(join(directory, 'aside'), { recursive: true, force: true });
      await mkdir(root);
    }),
    files: inTurn(async () => {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      const texts = await Promise.all(paths.map((one) => readFile(one, 'utf8')));
      return Object.fromEntries(paths.map((one, index) => [one.slice(root.length + 1), texts[index] ?? '']));
    }),
    everWas: (name, text, settledMs) =>
      states.get(name)?.has(text) === true ||
      passing.some((one) => one.name === name && one.text === text && one.lastedMs >= settledMs),
  };
}

export function isCheckpoint(name: string): boolean {
  return name.startsWith('step-');
}

async function ctimeOf(path: string): Promise<bigint> {
  return (await lstat(path, { bigint: true })).ctimeNs;
}
