import type { JobView } from './job-view.ts';

/** What the documents show. A test holds that each is what its schema says. */

export const exampleId = '8b9c902c-7da6-4af3-be0b-59cd4487895a';
export const exampleAccountId = '3c4e4a3b-6d1c-4a62-8f0e-0a4f3d6f2b11';
export const exampleGroup = '97f504e8-6de6-4322-b5d5-1777a59a7ad3';
export const exampleWorker = { machine_id: 'c9a5b6d8-machine', container_group_id: exampleGroup };

const entry = { bucket: 'my-bucket', prefix: 'training/checkpoints/', local_path: '/checkpoints' };

export const exampleSubmission = {
  command: 'python',
  arguments: ['/app/main.py', '--epochs', '3'],
  environment: { SOME_VAR: 'value' },
  container_group_id: exampleGroup,
  sync: {
    before: [{ ...entry, direction: 'download' as const }],
    during: [{ ...entry, direction: 'upload' as const, pattern: 'checkpoint-*' }],
    after: [],
  },
};

export const exampleJob: JobView = {
  id: exampleId,
  user_id: exampleAccountId,
  status: 'pending',
  status_reason: 'Next in the queue: it waits for an agent to be free.',
  created: '2026-04-19T18:53:31.000Z',
  started: null,
  completed: null,
  canceled: null,
  failed: null,
  heartbeat: null,
  name: null,
  command: exampleSubmission.command,
  arguments: exampleSubmission.arguments,
  environment: exampleSubmission.environment,
  container_group_id: exampleGroup,
  machine_id: null,
  attempt: null,
  webhook: null,
  priority: 0,
  labels: {},
  compression: false,
  heartbeat_interval: 30,
  timeout_seconds: null,
  stall_timeout_seconds: null,
  max_failures: 3,
  num_failures: 0,
  max_interruptions: null,
  num_interruptions: 0,
  sync: {
    before: [{ ...entry, direction: 'download', pattern: null, pattern_syntax: null }],
    during: [{ ...entry, direction: 'upload', pattern: 'checkpoint-*', pattern_syntax: null }],
    after: [],
  },
};

export const exampleRunning: JobView = {
  ...exampleJob,
  status: 'running',
  status_reason: null,
  started: '2026-04-19T18:53:32.000Z',
  machine_id: exampleWorker.machine_id,
  attempt: 1,
};

export const exampleRule = {
  container_group_id: exampleGroup,
  container_group_name: null,
  org_name: 'my-organization',
  project_name: 'my-project',
  user_id: exampleAccountId,
  min_replicas: 0,
  max_replicas: 10,
  idle_threshold_seconds: 300,
  created: '2026-04-19T18:53:31.000Z',
  updated: '2026-04-19T18:53:31.000Z',
};

export const exampleUser = {
  id: exampleAccountId,
  username: 'somebody',
  created: '2026-04-19T18:53:31.000Z',
};

export const exampleEvent = {
  seq: 1,
  cursor: 'NzQyOjE',
  type: 'SUBMITTED',
  at: '2026-04-19T18:53:31.000Z',
  attempt: null,
  data: { priority: 0 },
};
