import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { findTool, type Tool, VERSITYGW, WEED } from '../../deploy/local/tools.ts';
import { freePort } from '../../lib/port.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import type { StoreReport, StoreRequest } from './real-store-process.ts';

/** A store that others wrote and that keeps its objects on disk. */
export interface RealStore {
  url: string;
  stop(): Promise<void>;
}

export type RealStoreName = keyof typeof REAL_STORES;

export interface StoreCredentials {
  accessKeyId: string;
  secretAccessKey: string;
}

interface Recipe {
  tool: Tool;
  launch(place: Place): Pick<StoreRequest, 'args' | 'environment' | 'litter'>;
}

interface Place {
  directory: string;
  ports: Ports;
  credentials: StoreCredentials;
}

interface Ports {
  /** Where the store speaks S3. */
  s3: number;
  others: number[];
}

export const REAL_STORES = {
  seaweedfs: {
    tool: WEED,
    launch: ({
      directory,
      ports: {
        s3,
        others: [master, masterRpc, volume, volumeRpc, filer, filerRpc, s3Rpc],
      },
      credentials,
    }) => ({
      args: [
        ...['server', `-dir=${directory}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-master.telemetry=false'],
        ...[`-master.port=${master}`, `-master.port.grpc=${masterRpc}`, '-master.volumeSizeLimitMB=512'],
        ...[`-volume.port=${volume}`, `-volume.port.grpc=${volumeRpc}`, '-volume.max=64'],
        ...[
          `-filer.port=${filer}`,
          `-filer.port.grpc=${filerRpc}`,
          `-filer.localSocket=${join(directory, 'filer.sock')}`,
        ],
        ...['-s3', `-s3.port=${s3}`, `-s3.port.grpc=${s3Rpc}`, `-s3.localSocket=${join(directory, 's3.sock')}`],
        ...['-s3.autoCreateBucket=false', '-s3.port.iceberg=0', '-s3.port.lance=0'],
      ],
      environment: {
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
      // Of these sockets it asks nobody where they should be.
      litter: Object.entries({ master: masterRpc, volume: volumeRpc, filer: filerRpc, s3: s3Rpc }).map(
        ([part, port]) => `/tmp/seaweedfs-${part}-grpc-${port}.sock`,
      ),
    }),
  },
  versitygw: {
    tool: VERSITYGW,
    launch: ({ directory, ports: { s3 }, credentials }) => ({
      args: [`--port=127.0.0.1:${s3}`, '--keep-alive', '--quiet', 'posix', directory],
      environment: {
        ROOT_ACCESS_KEY_ID: credentials.accessKeyId,
        ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
      litter: [],
    }),
  },
} as const satisfies Record<string, Recipe>;

/**
 * Starts the store on loopback with its data in a temporary directory, both of which end with this process however it ends.
 * It refuses whoever does not sign with `credentials`. Throws when it is not installed, or does not answer within 60 s.
 */
export async function startRealStore(name: RealStoreName, credentials: StoreCredentials): Promise<RealStore> {
  const recipe: Recipe = REAL_STORES[name];
  const found = findTool(recipe.tool);
  if ('missing' in found) throw new Error(found.missing);
  const directory = await makeTemporaryDirectory('kelpie-store-');
  const [s3 = 0, ...others] = await differentPorts(8);
  const url = `http://127.0.0.1:${s3}`;
  const ready = recipe.launch({ directory, ports: { s3, others }, credentials });
  const request: StoreRequest = { program: found.path, directory, url, ...ready };
  const keeper = fork(fileURLToPath(new URL('real-store-process.ts', import.meta.url)), [JSON.stringify(request)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const report = await firstReport(keeper);
  if ('error' in report) {
    await rm(directory, { recursive: true, force: true });
    throw new Error(`${name} could not be started: ${report.error}`);
  }
  keeper.unref();
  keeper.channel?.unref();
  return { url, stop: () => end(keeper) };
}

async function differentPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

const Report = z.union([z.object({ isReady: z.literal(true) }), z.object({ error: z.string() })]);

async function firstReport(keeper: ChildProcess): Promise<StoreReport> {
  const reported = once(keeper, 'message').then(([message]) => Report.parse(message));
  const ended = once(keeper, 'exit').then(([code]) => ({ error: `its keeper ended with code ${String(code)}` }));
  return Promise.race([reported, ended]);
}

async function end(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  const ended = once(keeper, 'exit');
  keeper.ref();
  keeper.disconnect();
  await ended;
}
