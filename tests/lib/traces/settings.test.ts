import { describe, expect, test } from 'vitest';
import { traceConfig, traceVariables } from '../../../lib/traces/settings.ts';

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const collector = { [ENDPOINT]: 'http://collector:4318' };

test.for(['OFF', ' Off ', 'off'])(
  'a program is kept from traces by %j, as by OpenTelemetry’s own variables in capitals',
  (given) => {
    expect(traceVariables.KELPIE_TRACES.parse(given)).toBe('off');
  },
);

test('whoever means off must not get traces for a word that is not understood', () => {
  expect(traceVariables.KELPIE_TRACES.safeParse('none').success).toBe(false);
});

describe('traces are', () => {
  test.for([
    ['off where nothing is set', {}],
    ['off where Kelpie is to write none', { ...collector, KELPIE_TRACES: 'off' }],
    ['off where they are disabled', { ...collector, OTEL_SDK_DISABLED: 'TRUE' }],
    ['off where nothing is to be exported', { ...collector, OTEL_TRACES_EXPORTER: 'none' }],
    ['off where they are printed, not exported', { ...collector, OTEL_TRACES_EXPORTER: 'none, console' }],
    ['off where only others are named', { OTEL_EXPORTER_OTLP_HEADERS: 'a=b', OTEL_SERVICE_NAME: 'mine' }],
  ] as const)('%s', ([, environment]) => {
    expect(traceConfig(environment)).toEqual({ settings: undefined, joins: true, warnings: [] });
  });

  test.for([
    ['http://collector:4318', 'http://collector:4318/v1/traces'],
    ['https://collector/otel/', 'https://collector/otel/v1/traces'],
    ['https://collector/?tenant=1', 'https://collector/v1/traces?tenant=1'],
  ] as const)('sent below %s', ([endpoint, url]) => {
    expect(traceConfig({ [ENDPOINT]: endpoint }).settings?.url).toBe(url);
  });

  test('sent exactly to where their own endpoint is, whatever the other says', () => {
    const own = { ...collector, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example/in' };
    expect(traceConfig(own).settings?.url).toBe('https://traces.example/in');
  });
});

test('nothing but the endpoint is needed', () => {
  expect(traceConfig(collector)).toEqual({
    settings: {
      url: 'http://collector:4318/v1/traces',
      headers: {},
      protocol: 'http/protobuf',
      isCompressed: false,
      timeoutMillis: 10_000,
      service: undefined,
      attributes: {},
      sampler: { kind: 'always_on', isParentBased: true, ratio: 1 },
      queue: { most: 2_048, batch: 512, delayMillis: 5_000 },
    },
    joins: true,
    warnings: [],
  });
});

test('what is said of traces goes before what is said of everything', () => {
  const { settings, warnings, joins } = traceConfig({
    ...collector,
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Basic%20YTpi, X-Tenant = one',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'X-Tenant=two',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2000',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,team=a%2Cb',
    OTEL_SERVICE_NAME: 'shepherd',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
    OTEL_PROPAGATORS: 'baggage',
    OTEL_BSP_MAX_QUEUE_SIZE: '10',
  });
  expect(warnings).toEqual([]);
  expect(joins).toBe(false);
  expect(settings).toMatchObject({
    headers: { Authorization: 'Basic YTpi', 'X-Tenant': 'two' },
    protocol: 'http/json',
    isCompressed: true,
    timeoutMillis: 2_000,
    service: 'shepherd',
    attributes: { 'deployment.environment.name': 'test', team: 'a,b' },
    sampler: { kind: 'traceidratio', isParentBased: true, ratio: 0.25 },
    queue: { most: 10 },
  });
});

test('what cannot be understood is passed over, and warned of without its value', () => {
  const nonsense = Object.fromEntries(Object.keys(traceVariables).map((name) => [name, '=secret%zz']));
  const { settings, warnings } = traceConfig({
    ...nonsense,
    OTEL_SDK_DISABLED: 'no',
    OTEL_TRACES_EXPORTER: 'otlp',
    ...collector,
    OTEL_TRACES_SAMPLER: 'traceidratio',
  });
  expect(settings).toEqual({
    ...traceConfig(collector).settings,
    service: '=secret%zz',
    sampler: { kind: 'traceidratio', isParentBased: false, ratio: 1 },
  });
  expect(warnings.map((warning) => warning.split(' ', 1)[0])).toEqual(
    expect.arrayContaining([
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      'OTEL_EXPORTER_OTLP_HEADERS',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      'OTEL_EXPORTER_OTLP_TIMEOUT',
      'OTEL_RESOURCE_ATTRIBUTES',
      'OTEL_TRACES_SAMPLER_ARG',
      'OTEL_BSP_MAX_QUEUE_SIZE',
    ]),
  );
  expect(warnings.join('\n')).not.toContain('secret');
});

test('an exporter that is not known here is none, and is warned of', () => {
  const { settings, warnings } = traceConfig({ ...collector, OTEL_TRACES_EXPORTER: 'console' });
  expect(settings).toBeUndefined();
  expect(warnings).toEqual(['OTEL_TRACES_EXPORTER is passed over: expected otlp, or none']);
  expect(traceConfig({ ...collector, OTEL_TRACES_EXPORTER: 'console,otlp' }).settings).toBeDefined();
});

test.for(['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] as const)(
  'where %s is gRPC there are none, and no other protocol is tried at its port',
  (name) => {
    const other = name === 'OTEL_EXPORTER_OTLP_PROTOCOL' ? {} : { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
    const { settings, warnings } = traceConfig({ ...collector, ...other, [name]: 'grpc' });
    expect(settings).toBeUndefined();
    expect(warnings).toEqual([
      'There are no traces: expected a protocol that is spoken here, http/protobuf or http/json, got grpc',
    ]);
    expect(traceConfig({ ...other, [name]: 'grpc' }).warnings).toEqual([]);
  },
);

test('those of traces may speak what is spoken here, whatever is set for others', () => {
  const own = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' };
  expect(traceConfig({ ...collector, ...own })).toMatchObject({ settings: { protocol: 'http/json' }, warnings: [] });
});
