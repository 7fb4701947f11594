import {
  cancelsHold,
  completedOnce,
  everyJobEnded,
  failuresAreFailures,
  nobodyDied,
  reportsAreFenced,
} from './ending.ts';
import type { Invariant } from './invariant.ts';
import { numbersContiguous, oneOwner, writesAreFenced } from './ownership.ts';
import { eventsContiguous, eventsTellTheRows } from './story.ts';
import { webhooksDelivered, webhooksTrue } from './webhooks.ts';
import {
  checkpointNeverMissing,
  completedIsDurable,
  noDurableStepRedone,
  objectsAreWhole,
  outputsAreRight,
  stepsAreRight,
} from './work.ts';

/** What a run must not break, whatever went wrong in it. */
export const invariants: readonly Invariant[] = [
  everyJobEnded,
  completedOnce,
  oneOwner,
  numbersContiguous,
  writesAreFenced,
  noDurableStepRedone,
  stepsAreRight,
  objectsAreWhole,
  checkpointNeverMissing,
  outputsAreRight,
  completedIsDurable,
  failuresAreFailures,
  cancelsHold,
  reportsAreFenced,
  eventsContiguous,
  eventsTellTheRows,
  webhooksDelivered,
  webhooksTrue,
  nobodyDied,
];
