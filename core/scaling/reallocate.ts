import type { Core } from '../core.ts';
import { type GroupRef, type Instance, type Provider, ProviderTrouble } from './provider.ts';
import { findBarred, recordReallocation, type Turn } from './turns.ts';

/**
 * Rule 5: machines that are banned from too many jobs are given up for others, once within a cool-down. That a provider will not is
 * told, and no reason to let the group's size be.
 * @returns what was done, for a person
 * @throws GroupNotFound, and ProviderTrouble when the provider asks to be left alone, or the time is over
 */
export async function replaceBarred(
  core: Core,
  provider: Provider,
  { turn, ref, signal }: { turn: Turn; ref: GroupRef; signal: AbortSignal },
): Promise<string[]> {
  const barred = await findBarred(core, turn);
  if (barred.length === 0) return [];
  const instances = await unlessUnwilling(signal, () => provider.instances(ref, signal));
  const said: string[] = [];
  for (const machineId of barred) {
    signal.throwIfAborted();
    const refusal = await giveUp(machineId, instances, signal, (one) => provider.reallocate(ref, one, signal));
    await recordReallocation(core, turn, machineId, refusal === undefined);
    said.push(refusal === undefined ? `reallocated ${machineId}` : `could not reallocate ${machineId}: ${refusal}`);
  }
  return said;
}

/** @returns why not, or nothing when it was done */
async function giveUp(
  machineId: string,
  instances: Instance[] | ProviderTrouble,
  signal: AbortSignal,
  reallocate: (instance: Instance) => Promise<void>,
): Promise<string | undefined> {
  if (instances instanceof ProviderTrouble) return instances.message;
  const instance = instances.find((one) => one.machineId === machineId);
  if (instance === undefined) return 'its provider does not know it';
  const refusal = await unlessUnwilling(signal, () => reallocate(instance));
  return refusal?.message;
}

/** A refusal that concerns this one wish is an answer. */
async function unlessUnwilling<Result>(
  signal: AbortSignal,
  ask: () => Promise<Result>,
): Promise<Result | ProviderTrouble> {
  try {
    return await ask();
  } catch (error) {
    const isAnswer = error instanceof ProviderTrouble && error.retryAfterMs === undefined && !signal.aborted;
    if (isAnswer) return error;
    throw error;
  }
}
