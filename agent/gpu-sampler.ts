import type { GpuSampleInput } from './generated/graphql.ts';
import { type GpuUse, sampleGpus } from './gpu.ts';
import type { Link } from './link.ts';

/** How busy the GPUs are, looked up beside the work: nobody waits for it. */
export interface GpuSampler {
  /** What was sampled and not yet taken, if anything. Asking makes the next sample begin, if the last one is old enough. */
  take(): GpuSampleInput | undefined;
}

const SAMPLE_EVERY_MS = 10_000;

/** @param hasGpus whether there is anything to look at */
export function createGpuSampler(
  hasGpus: () => boolean,
  now: () => number = () => performance.now(),
  sample: () => Promise<GpuUse[]> = sampleGpus,
): GpuSampler {
  let beganAt = -Infinity;
  let untold: { at: number; gpus: GpuUse[] } | undefined;

  async function look(): Promise<void> {
    const gpus = await sample();
    if (gpus.length > 0) untold = { at: now(), gpus };
  }

  return {
    take() {
      if (!hasGpus()) return undefined;
      if (now() - beganAt >= SAMPLE_EVERY_MS) {
        beganAt = now();
        void look();
      }
      const taken = untold;
      untold = undefined;
      return taken && { ageMillis: Math.max(0, now() - taken.at), gpus: taken.gpus };
    },
  };
}

/** A link whose heartbeats, while a command runs, also say how busy the GPUs are. */
export function tellingGpuUse(link: Link, sampler: GpuSampler): Link {
  return {
    ...link,
    heartbeat(input, signal) {
      const gpuSample = input.phase === 'RUNNING' ? sampler.take() : undefined;
      return link.heartbeat(gpuSample === undefined ? input : { ...input, gpuSample }, signal);
    },
  };
}
