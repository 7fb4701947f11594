import { z } from 'zod';
import { jobView, type JobView } from '../../server/rest/job-view.ts';

const strictJob = z.strictObject(jobView.shape);
const strictPage = z.strictObject({ _count: z.int(), jobs: z.array(strictJob), next: z.string().nullable() });
const strictProblem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().min(1),
  error: z.string(),
  message: z.string(),
  errors: z.array(z.strictObject({ pointer: z.string(), message: z.string() })).optional(),
  index: z.int().optional(),
  request_id: z.string().optional(),
});

/** The body of an answer as a job; an answer that is not what is documented fails the test. */
export function jobIn(body: unknown): JobView {
  return strictJob.parse(body);
}

export function jobsIn(body: unknown): JobView[] {
  return z.array(strictJob).parse(body);
}

export function pageIn(body: unknown): z.infer<typeof strictPage> {
  return strictPage.parse(body);
}

export function problemIn(body: unknown): z.infer<typeof strictProblem> {
  return strictProblem.parse(body);
}

/** A submission with what the test cares about, and defaults for the rest. */
export function submission(part: object = {}): Record<string, unknown> {
  return { command: 'true', container_group_id: 'group', ...part };
}
