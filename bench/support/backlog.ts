import type { Viewer } from '../../core/accounts/keys.ts';
import { sql } from './postgres.ts';

/** Where jobs are put, and whose they are. */
export interface Owner {
  url: string;
  viewer: Viewer;
}

const columns = `account_id, api_key_id, container_group_id, command, arguments, environment, labels, max_failures, heartbeat_interval, event_seq`;
const values = `$1::uuid, $2::uuid, 'bench', 'python', '["train.py", "--epochs", "100"]', '{"SEED": "1"}', '{}', 3, 30`;

/** Jobs that wait in the container group `bench`, as a submission stores them. */
export async function insertWaiting({ url, viewer }: Owner, count: number): Promise<void> {
  await sql(
    url,
    `with job as (insert into jobs (${columns}) select ${values}, 1 from generate_series(1, $3::int)
                  returning id, account_id, container_group_id)
     insert into job_events (job_id, seq, account_id, container_group_id, type, data)
     select id, 1, account_id, container_group_id, 'SUBMITTED', '{}' from job`,
    [viewer.accountId, viewer.keyId, count],
  );
}

/** Jobs that run, each with a webhook that is due since its claim. */
export async function insertDue({ url, viewer }: Owner, webhook: string, count: number): Promise<void> {
  await sql(
    url,
    `with job as (insert into jobs (${columns}, status, attempt_number, machine_id, started_at, webhook)
                  select ${values}, 2, 'RUNNING', 1, 'machine', now(), $4 from generate_series(1, $3::int)
                  returning id, account_id, api_key_id, container_group_id),
     attempt as (insert into attempts (job_id, number, account_id, container_group_id, machine_id, heartbeat_interval, lease_expires_at)
                 select id, 1, account_id, container_group_id, 'machine', 30, now() + interval '1 day' from job),
     event as (insert into job_events (job_id, seq, account_id, container_group_id, type, data)
               select id, n, account_id, container_group_id, (array['SUBMITTED', 'CLAIMED'])[n]::job_event_type, '{}'
               from job, generate_series(1, 2) n)
     insert into webhook_deliveries (account_id, api_key_id, job_id, attempt, url, status, machine_id, container_group_id)
     select account_id, api_key_id, id, 1, $4, 'running', 'machine', container_group_id from job`,
    [viewer.accountId, viewer.keyId, count, webhook],
  );
}

/** Jobs that have completed so many days ago, each with one attempt and four events. */
export async function insertEnded({ url, viewer }: Owner, count: number, days = 0): Promise<void> {
  await sql(
    url,
    `with job as (insert into jobs (${columns}, status, attempt_number, machine_id, started_at, completed_at)
                  select ${values}, 4, 'COMPLETED', 1, 'machine', t, t
                  from generate_series(1, $3::int), (values (now() - make_interval(days => $4::int))) ended (t)
                  returning id, account_id, container_group_id, completed_at as t),
     attempt as (insert into attempts (job_id, number, account_id, container_group_id, machine_id, outcome, ended_by, ended_at,
                                       heartbeat_interval, lease_expires_at)
                 select id, 1, account_id, container_group_id, 'machine', 'COMPLETED', 'AGENT', t, 30, t from job)
     insert into job_events (job_id, seq, account_id, container_group_id, type, data, at)
     select id, n, account_id, container_group_id,
            (array['SUBMITTED', 'CLAIMED', 'ATTEMPT_ENDED', 'COMPLETED'])[n]::job_event_type, '{}', t
     from job, generate_series(1, 4) n`,
    [viewer.accountId, viewer.keyId, count, days],
  );
}
