import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { messageOf } from '../../lib/errors.ts';
import type { Taken } from './arriving-file.ts';
import { boundAnswers } from './bounded-answers.ts';
import type { Address } from './entry.ts';
import { notFromStore } from './foreign-answer.ts';
import { createLandings, type Landing, type Landings, type OpenQuestion } from './landing.ts';
import type { Meter } from './meter.ts';
import { headerFields, headerLines, type ObjectHeaders } from './object-headers.ts';
import { type CompleteMultipart, completions } from './s3-completion.ts';
import { type CopyPart, copyRequests } from './s3-copy.ts';
import { type Probe, probe } from './s3-probe.ts';
import { decodeKey, lastPart, type LastPart, listUploads, own, type UnfinishedUploads } from './s3-uploads.ts';
import { createStorageAgents, type StorageAgents } from './sockets.ts';
import { createTraffic, type TrafficOptions } from './traffic.ts';
import type { Body } from './sending.ts';
import { createWire, type Wire, type WirePut } from './wire.ts';

export interface StoredObject {
  key: string;
  /** Bytes. */
  size: number;
  /** Absent where a store lists none. */
  etag?: string;
}

/** A file on its way here. Ends with `keep` or `drop`. Sizes are bytes. */
export interface IncomingFile extends Omit<Landing, 'take'> {
  /** One GET, of the range (inclusive at both ends) where there is one. Rejects as Landing.take does. */
  take(address: Address, wanted: Wanted, onMoved: Meter, signal: AbortSignal): Promise<Taken>;
}

/** At first an object of so many bytes; then a piece of that object. */
export type Wanted = { range?: [number, number]; totalSize: number } | { range: [number, number]; etag: string };

export interface Part {
  uploadId: string;
  /** From 1. */
  number: number;
  body: Body;
}

/**
 * What sync asks of a store: one request per call, no retries. Rejects with the store's error, or when aborted; also when
 * an answer says 200 but lacks what every store sends, as the page of a proxy or a portal does.
 */
export interface ObjectStore {
  /** By which people know it: its host, no secrets. */
  readonly name: string;
  /** Resolves when credentials and region are known; rejects with what to set when there are none. */
  ready(): Promise<void>;
  probe: Probe;
  listPage(bucket: string, prefix: string, token: string | undefined, signal: AbortSignal): Promise<ObjectPage>;
  /** Begins a file at `path`, absolute; nothing is done yet. An object that says it is gzip is expanded if it `mayExpand`. */
  land(path: string, mayExpand: boolean): IncomingFile;
  /** What is asked of a disk just now for such files, and not answered yet. */
  landingQuestion(): OpenQuestion | undefined;
  /** Size in bytes and ETag; undefined when there is no such object. */
  head(address: Address, signal: AbortSignal): Promise<{ size: number; etag: string } | undefined>;
  /** Resolves to the ETag. */
  put(address: Address, body: Uint8Array, headers: ObjectHeaders, signal: AbortSignal): Promise<string>;
  delete(address: Address, signal: AbortSignal): Promise<void>;
  createMultipart(address: Address, headers: ObjectHeaders, signal: AbortSignal): Promise<string>;
  uploadPart(address: Address, part: Part, signal: AbortSignal): Promise<string>;
  completeMultipart: CompleteMultipart;
  abortMultipart(address: Address, uploadId: string, signal: AbortSignal): Promise<void>;
  /** A page of the multipart uploads that were begun below the prefix and neither completed nor aborted. */
  listUploads: UnfinishedUploads;
  /** Several requests where the upload has more than a thousand parts. */
  lastPart: LastPart;
  copyPart: CopyPart;
  close(): void;
}

export interface ObjectPage {
  objects: StoredObject[];
  /** Asks for the next page; undefined after the last one. */
  next: string | undefined;
}

export interface S3Settings extends TrafficOptions {
  endpoint?: string;
  region?: string;
  /** Milliseconds without a byte after which a request counts as failed. */
  stallMs?: number;
  /** Called immediately before anything is sent to the store; what it aborts is not sent. */
  beforeSending?: () => void;
}

/** Any store that speaks S3. Credentials come from the AWS SDK's own chain of environment, profiles and metadata. */
export function createS3Store(settings: S3Settings): ObjectStore {
  const { stallMs = STALL_MS } = settings;
  const agents = createStorageAgents(settings.beforeSending ?? ignore);
  const client = new S3Client(clientConfig(settings, agents, stallMs));
  // Stores that copy the parts together are silent for minutes before they answer.
  const patient = new S3Client({
    ...clientConfig(settings, agents, stallMs * 10),
    credentials: client.config.credentials,
  });
  [client, patient].forEach((one) => boundAnswers(one));
  const traffic = createTraffic(settings);
  const wire = createWire({ client, agents, traffic, stallMs, connectMs: CONNECT_MS });
  const landings = createLandings({ stallMs, connectMs: CONNECT_MS });
  return {
    name: settings.endpoint === undefined ? 'Amazon S3' : new URL(settings.endpoint).host,
    ready: () => resolved(client),
    probe: probe(client),
    ...listRequests(client),
    ...objectRequests(client, wire),
    ...{ land: landed(wire, landings), landingQuestion: () => landings.question() },
    ...multipartRequests(client, patient, wire),
    ...copyRequests(patient),
    ...{ listUploads: listUploads(client), lastPart: lastPart(client) },
    close() {
      landings.close();
      [client, patient].forEach((one) => one.destroy());
    },
  };
}

const STALL_MS = 30_000;
const CONNECT_MS = 10_000;

function clientConfig({ endpoint, region }: S3Settings, agents: StorageAgents, stallMs: number): S3ClientConfig {
  return {
    // Bucket names as host names need DNS that private endpoints rarely have.
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true, region: configuredRegion() }),
    ...(region === undefined ? {} : { region }),
    // Several stores refuse, or store as content, the trailers that the SDK's own checksums come in.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Sync retries by itself: the SDK's waits know nothing of our settings.
    maxAttempts: 1,
    // Otherwise it writes advice to the console; every failure is in the error as well.
    logger: { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore },
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: stallMs, ...agents },
  };
}

/** Stores outside AWS need a region only for the signature; where none is configured, they expect this one. */
function configuredRegion(): () => Promise<string> {
  let region: Promise<string> | undefined;
  return () => (region ??= new S3Client({}).config.region().catch(() => 'us-east-1'));
}

function ignore(): void {
  // Nothing to say.
}

async function resolved({ config }: S3Client): Promise<void> {
  const credentials = config.credentials().catch((error: unknown) => {
    const advice = 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE';
    throw new Error(`there are no credentials for the storage: ${advice} (${messageOf(error)})`, { cause: error });
  });
  const region = config.region().catch((error: unknown) => {
    throw new Error(`the region of the storage is not known: set AWS_REGION (${messageOf(error)})`, { cause: error });
  });
  await Promise.all([credentials, region]);
}

function listRequests(client: S3Client): Pick<ObjectStore, 'listPage'> {
  return {
    async listPage(bucket, prefix, token, signal) {
      const query = { Bucket: bucket, Prefix: prefix, ContinuationToken: token, EncodingType: 'url' as const };
      const page = await client.send(new ListObjectsV2Command(query), { abortSignal: own(signal) });
      if (page.IsTruncated === undefined) throw notFromStore(`the list of "${bucket}/${prefix}"`, 'IsTruncated');
      // A store that ignores the encoding does not echo it either.
      const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
      const objects = (page.Contents ?? []).map(({ Key = '', Size = 0, ETag }) => ({
        ...{ key: decode(Key), size: Size },
        ...(ETag === undefined ? {} : { etag: ETag }),
      }));
      if (page.IsTruncated && page.NextContinuationToken === undefined) {
        throw new Error(`the store cut the list of "${bucket}/${prefix}" short and gave no token for the rest`);
      }
      return { objects, next: page.IsTruncated ? page.NextContinuationToken : undefined };
    },
  };
}

function landed(wire: Wire, landings: Landings): ObjectStore['land'] {
  return (path, mayExpand) => {
    const landing = landings.begin(path, mayExpand);
    return {
      keep: (to, modified, signal) => landing.keep(to, modified, signal),
      drop: (signal) => landing.drop(signal),
      take(address, wanted, onMoved, signal) {
        const { range } = wanted;
        const headers = {
          ...(range === undefined ? {} : { range: `bytes=${range[0]}-${range[1]}` }),
          ...('etag' in wanted ? { 'if-match': wanted.etag } : {}),
          // As it is stored: some stores expand what is gzip, and say no length then, for whoever does not accept it.
          ...(mayExpand ? { 'accept-encoding': 'gzip' } : {}),
        };
        const whole = 'totalSize' in wanted ? wanted.totalSize : 0;
        const size = range === undefined ? whole : range[1] - range[0] + 1;
        const expects = 'etag' in wanted ? { size, etag: wanted.etag } : { size, totalSize: wanted.totalSize };
        return wire.take(landing, { address, headers, start: range?.[0] ?? 0, expects }, onMoved, signal);
      },
    };
  };
}

type ObjectRequests = Pick<ObjectStore, 'head' | 'put' | 'delete'>;

function objectRequests(client: S3Client, wire: Wire): ObjectRequests {
  return {
    async head({ bucket, key }, signal) {
      const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
      try {
        const { ContentLength: size, ETag: etag } = await client.send(command, { abortSignal: own(signal) });
        if (size === undefined || etag === undefined)
          throw notFromStore(`a HEAD of "${key}"`, 'Content-Length or ETag');
        return { size, etag };
      } catch (error) {
        if (error instanceof Error && error.name === 'NotFound') return undefined;
        throw error;
      }
    },
    async put(address, content, headers, signal) {
      const request: WirePut = { address, headers: headerLines(headers), body: { content } };
      const etag = await etagOf(await wire.put(request, signal));
      if (etag === undefined) throw notFromStore(`a PUT of "${address.key}"`, 'ETag');
      return etag;
    },
    async delete({ bucket, key }, signal) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: own(signal) });
    },
  };
}

type MultipartRequests = Pick<ObjectStore, 'createMultipart' | 'uploadPart' | 'completeMultipart' | 'abortMultipart'>;

function multipartRequests(client: S3Client, patient: S3Client, wire: Wire): MultipartRequests {
  return {
    async createMultipart({ bucket, key }, headers, signal) {
      const command = new CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ...headerFields(headers) });
      const { UploadId } = await client.send(command, { abortSignal: own(signal) });
      if (UploadId === undefined) throw new Error(`the store began a multipart upload of "${key}" without an UploadId`);
      return UploadId;
    },
    async uploadPart(address, { uploadId, number, body }, signal) {
      const query = { partNumber: `${number}`, uploadId };
      const etag = await etagOf(await wire.put({ address, query, body }, signal));
      if (etag === undefined) throw new Error(`the store took part ${number} of "${address.key}" without an ETag`);
      return etag;
    },
    completeMultipart: completions(patient),
    async abortMultipart({ bucket, key }, uploadId, signal) {
      const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
      await client.send(command, { abortSignal: own(signal) });
    },
  };
}

/** Reads the answer to its end, so that the connection can be used again; resolves to the ETag that it gave. */
async function etagOf(answer: IncomingMessage): Promise<string | undefined> {
  answer.resume();
  if (!answer.complete) await once(answer, 'end');
  return answer.headers.etag;
}
