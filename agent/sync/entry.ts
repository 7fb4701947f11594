import { isAbsolute, join, resolve, sep } from 'node:path';
import { compilePattern } from '../../lib/pattern.ts';

/** One line of a job's `sync`, as the server gives it. */
export interface SyncInstruction {
  bucket: string;
  /** '' is the bucket's root; a missing slash at the end is added. */
  prefix: string;
  /** May be relative to the working directory. */
  localPath: string;
  direction: 'DOWNLOAD' | 'UPLOAD';
  pattern: string | null;
  patternSyntax: 'GLOB' | 'REGEX' | null;
}

/** A sync instruction made ready for use: absolute, normalized, its pattern compiled. */
export interface SyncEntry {
  /** For logs and errors. */
  name: string;
  bucket: string;
  prefix: string;
  /** Absolute path of the directory. */
  root: string;
  matches(relativePath: string): boolean;
  compression: boolean;
}

/** An object's place in the store. */
export interface Address {
  bucket: string;
  key: string;
}

/** Throws PatternError when the instruction's pattern cannot be used. */
export function createEntry(instruction: SyncInstruction, workingDirectory: string, compression: boolean): SyncEntry {
  const { bucket, localPath, pattern, patternSyntax } = instruction;
  const prefix =
    instruction.prefix === '' || instruction.prefix.endsWith('/') ? instruction.prefix : `${instruction.prefix}/`;
  const syntax = patternSyntax === null ? undefined : patternSyntax === 'GLOB' ? 'glob' : 'regex';
  const arrow = instruction.direction === 'DOWNLOAD' ? '->' : '<-';
  return {
    name: `s3://${bucket}/${prefix} ${arrow} ${localPath}${pattern === null ? '' : ` (${pattern})`}`,
    bucket,
    prefix,
    root: isAbsolute(localPath) ? resolve(localPath) : resolve(workingDirectory, localPath),
    matches: pattern === null ? () => true : compilePattern(pattern, syntax),
    compression,
  };
}

/** Where a file of this entry is published. */
export function addressOf(entry: SyncEntry, relativePath: string): Address {
  return { bucket: entry.bucket, key: `${entry.prefix}${relativePath}${entry.compression ? '.gz' : ''}` };
}

/** One string per object, usable as a map's key. */
export function idOf({ bucket, key }: Address): string {
  return `${bucket}/${key}`;
}

/** No bucket's name has a slash in it. */
export function addressOfId(id: string): Address {
  const slash = id.indexOf('/');
  return { bucket: id.slice(0, slash), key: id.slice(slash + 1) };
}

/** The key below the entry's prefix, or undefined for a key that is not below it or would leave the entry's directory. */
export function relativePathOf(entry: SyncEntry, key: string): string | undefined {
  if (!key.startsWith(entry.prefix)) return undefined;
  const relative = key.slice(entry.prefix.length);
  const parts = relative.split('/');
  return parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))
    ? undefined
    : relative;
}

/** The other way round: where a local path is below the entry's root; undefined for one that is not. */
export function relativePathAt(entry: SyncEntry, path: string): string | undefined {
  const root = entry.root.endsWith(sep) ? entry.root : entry.root + sep;
  return path.startsWith(root) ? path.slice(root.length) : undefined;
}

export function localPathOf(entry: SyncEntry, relativePath: string): string {
  return join(entry.root, relativePath);
}
