import { z } from 'zod';

const text = (meaning: string) => z.string().optional().describe(meaning);

/**
 * What OpenTelemetry's specification calls these, and has them mean. Texts, because it wants a value that nobody understands to be warned of
 * and passed over: a program does its work all the same.
 */
export const traceVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: text(
    'Where traces go by OTLP over HTTP, to v1/traces below it, such as http://collector:4318; without it there are none',
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: text('The same, whole, with its path; before it'),
  OTEL_EXPORTER_OTLP_HEADERS: text('What requests to it carry, as name=value, comma-separated'),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: text('The same; before it'),
  OTEL_EXPORTER_OTLP_PROTOCOL: text(
    'http/protobuf, which it is where nothing is set, or http/json; with grpc there are none, as that is not spoken here',
  ),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: text('The same; before it'),
  OTEL_EXPORTER_OTLP_TIMEOUT: text('Milliseconds for one export, with its repetitions; 10000'),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: text('The same; before it'),
  OTEL_EXPORTER_OTLP_COMPRESSION: text('gzip or none, which it is where nothing is set'),
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: text('The same; before it'),
  KELPIE_TRACES: z
    .string()
    .trim()
    .toLowerCase()
    .pipe(z.enum(['on', 'off']))
    .default('on')
    .describe(
      'on or off: whether this program writes traces; off stands above what OpenTelemetry’s variables say to commands and others',
    ),
  OTEL_SDK_DISABLED: text('true: no traces, whatever else is set'),
  OTEL_TRACES_EXPORTER: text('otlp, which it is where nothing is set; without it in the list, there are no traces'),
  OTEL_SERVICE_NAME: text('What the program is called in traces; kelpie-server or kelpie-agent'),
  OTEL_RESOURCE_ATTRIBUTES: text('What is said of the program in traces, as name=value, comma-separated'),
  OTEL_TRACES_SAMPLER: text(
    'Which traces are written: always_on, always_off, traceidratio, parentbased_always_on (which it is where nothing is set), parentbased_always_off, parentbased_traceidratio',
  ),
  OTEL_TRACES_SAMPLER_ARG: text('For those by ratio: which part of the traces, from 0 to 1; 1'),
  OTEL_BSP_MAX_QUEUE_SIZE: text('Spans that may wait to be sent; of more, the later are dropped; 2048'),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: text('Spans in one request; 512'),
  OTEL_BSP_SCHEDULE_DELAY: text('Milliseconds that spans wait for each other; 5000'),
} as const;

/** The same, for who is asked by others that may have traces. */
export const propagatorVariables = {
  OTEL_PROPAGATORS: text(
    'tracecontext, which it is where nothing is set; without it in the list, traces of callers are not joined',
  ),
} as const;

const SAMPLERS = ['always_on', 'always_off', 'traceidratio'] as const;
const PROTOCOLS = ['http/protobuf', 'http/json'] as const;

export interface TraceSettings {
  url: string;
  /** May be secret. */
  headers: Readonly<Record<string, string>>;
  protocol: (typeof PROTOCOLS)[number];
  isCompressed: boolean;
  timeoutMillis: number;
  service: string | undefined;
  attributes: Readonly<Record<string, string>>;
  sampler: { kind: (typeof SAMPLERS)[number]; isParentBased: boolean; ratio: number };
  queue: { most: number; batch: number; delayMillis: number };
}

export interface TraceConfig {
  /** Undefined: no traces are written. */
  settings: TraceSettings | undefined;
  /** Whether contexts that come from outside are joined, or handed on. */
  joins: boolean;
  /** What was set and could not be understood, in words without the values: some are secret. */
  warnings: readonly string[];
}

type Name = keyof typeof traceVariables;
type Variables = Readonly<Partial<Record<Name | keyof typeof propagatorVariables, string | undefined>>>;

/** What the environment says of traces. Never throws: what it cannot mean is passed over, with a warning. */
export function traceConfig(variables: Variables): TraceConfig {
  const warnings: string[] = [];
  const read = createReader(variables, (name, expected) =>
    warnings.push(`${name} is passed over: expected ${expected}`),
  );
  const joins = (variables.OTEL_PROPAGATORS ?? 'tracecontext').split(',').some((one) => one.trim() === 'tracecontext');
  const url = isOff(variables, read.warn) ? undefined : urlIn(variables, read.warn);
  const protocol = url === undefined ? undefined : protocolIn(read);
  if (protocol === 'grpc') {
    warnings.push(`There are no traces: expected a protocol that is spoken here, ${PROTOCOLS.join(' or ')}, got grpc`);
  }
  if (url === undefined || protocol === undefined || protocol === 'grpc') {
    return { settings: undefined, joins, warnings };
  }
  return { settings: { url, protocol, ...settingsIn(variables, read) }, joins, warnings };
}

function isOff(variables: Variables, warn: Warn): boolean {
  if (variables.KELPIE_TRACES === 'off' || variables.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return true;
  return !isExported(variables, warn);
}

/** Several may be named; of those, only one is known here. */
function isExported({ OTEL_TRACES_EXPORTER: given }: Variables, warn: Warn): boolean {
  const exporters = (given ?? '').split(',').map((one) => one.trim());
  if (given === undefined || given.trim() === '' || exporters.includes('otlp')) return true;
  if (!exporters.includes('none')) warn('OTEL_TRACES_EXPORTER', 'otlp, or none');
  return false;
}

/** Whoever wants gRPC has named the port of that: nothing else can be spoken there. */
function protocolIn(read: Reader): TraceSettings['protocol'] | 'grpc' {
  const known = [...PROTOCOLS, 'grpc'] as const;
  return (
    read.one('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', known) ??
    read.one('OTEL_EXPORTER_OTLP_PROTOCOL', known) ??
    'http/protobuf'
  );
}

function settingsIn(variables: Variables, read: Reader): Omit<TraceSettings, 'url' | 'protocol'> {
  return {
    headers: { ...read.pairs('OTEL_EXPORTER_OTLP_HEADERS'), ...read.pairs('OTEL_EXPORTER_OTLP_TRACES_HEADERS') },
    isCompressed:
      (read.one('OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', ['gzip', 'none']) ??
        read.one('OTEL_EXPORTER_OTLP_COMPRESSION', ['gzip', 'none'])) === 'gzip',
    timeoutMillis:
      read.count('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT') ?? read.count('OTEL_EXPORTER_OTLP_TIMEOUT') ?? 10_000,
    service: variables.OTEL_SERVICE_NAME,
    attributes: read.pairs('OTEL_RESOURCE_ATTRIBUTES'),
    sampler: samplerIn(variables, read),
    queue: {
      most: read.count('OTEL_BSP_MAX_QUEUE_SIZE') ?? 2_048,
      batch: read.count('OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? 512,
      delayMillis: read.count('OTEL_BSP_SCHEDULE_DELAY') ?? 5_000,
    },
  };
}

function urlIn(variables: Variables, warn: Warn): string | undefined {
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const) {
    const given = variables[name]?.trim();
    if (given === undefined || given === '') continue;
    const url = URL.parse(given);
    if (url !== null && ['http:', 'https:'].includes(url.protocol)) {
      if (name === 'OTEL_EXPORTER_OTLP_ENDPOINT') url.pathname = `${url.pathname.replace(/(?<!\/)\/+$/, '')}/v1/traces`;
      return url.href;
    }
    warn(name, 'an http or https URL');
  }
  return undefined;
}

function samplerIn(variables: Variables, read: Reader): TraceSettings['sampler'] {
  const kinds = [...SAMPLERS, ...SAMPLERS.map((kind) => `parentbased_${kind}` as const)];
  const named = read.one('OTEL_TRACES_SAMPLER', kinds) ?? 'parentbased_always_on';
  const kind = SAMPLERS.find((one) => named.endsWith(one)) ?? 'always_on';
  const ratio = kind === 'traceidratio' ? ratioIn(variables.OTEL_TRACES_SAMPLER_ARG, read.warn) : 1;
  return { kind, isParentBased: named.startsWith('parentbased_'), ratio };
}

function ratioIn(given: string | undefined, warn: Warn): number {
  const ratio = Number(given?.trim() === '' ? 1 : (given ?? 1));
  if (ratio >= 0 && ratio <= 1) return ratio;
  warn('OTEL_TRACES_SAMPLER_ARG', 'a number from 0 to 1');
  return 1;
}

type Warn = (name: Name, expected: string) => void;
type Reader = ReturnType<typeof createReader>;

/** A timer takes no more milliseconds. */
const MOST = 2 ** 31 - 1;

function createReader(variables: Variables, warn: Warn) {
  return {
    warn,
    one<Value extends string>(name: Name, values: readonly Value[]): Value | undefined {
      const given = variables[name]?.trim();
      const value = values.find((one) => one === given);
      if (given !== undefined && given !== '' && value === undefined) warn(name, values.join(', '));
      return value;
    },
    count(name: Name): number | undefined {
      const given = variables[name]?.trim();
      if (given === undefined || given === '') return undefined;
      const count = Number(given);
      if (Number.isInteger(count) && count >= 1 && count <= MOST) return count;
      warn(name, `a whole number from 1 to ${MOST}`);
      return undefined;
    },
    /** As in W3C Baggage: values are percent-encoded. */
    pairs(name: Name): Record<string, string> {
      const pairs = (variables[name] ?? '').split(',').filter((pair) => pair.trim() !== '');
      return Object.fromEntries(
        pairs.flatMap((pair) => {
          const [, key, value] = /^([^=\s]+)\s*=(.*)$/.exec(pair.trim()) ?? [];
          const decoded = value === undefined ? undefined : decode(value.trim());
          if (key !== undefined && decoded !== undefined) return [[key, decoded]];
          warn(name, 'name=value, comma-separated, with values percent-encoded');
          return [];
        }),
      );
    },
  };
}

function decode(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}
