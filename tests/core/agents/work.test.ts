import { afterAll, expect, test } from 'vitest';
import { registerAgent, registrationSchema } from '../../../core/agents/register.ts';
import { askAgainMillis, claimForAgent, followSignals } from '../../../core/agents/work.ts';
import { parseInput } from '../../../core/input.ts';
import { openTestCore } from '../../support/core.ts';

const { core, account, close } = await openTestCore();
afterAll(close);

test('who finds nothing asks again soon where nobody can call it, and seldom where its server looks after it', async () => {
  const { viewer } = await account();
  const names = { machineId: 'machine', containerGroupId: 'group', sessionId: crypto.randomUUID() };
  const { id: agentId } = await registerAgent(core, viewer, parseInput(registrationSchema, names));
  const ask = () => claimForAgent(core, core.signals, viewer, { agentId, claimId: undefined });
  expect(await ask()).toMatchObject({ job: undefined, askAgainMillis: 5_000 });
  const signals = await followSignals(core, core.signals, viewer, { agentId, connection: undefined });
  expect(await signals.next()).toMatchObject({ value: { type: 'WORK_AVAILABLE' } });
  expect(await ask()).toMatchObject({ job: undefined, askAgainMillis: 60_000 });
  await signals.return();
});

test('of a large fleet each asks the less often', () => {
  expect([0, 1, 1_200, 1_201, 5_000, 20_000].map(askAgainMillis)).toEqual([
    ...[60_000, 60_000, 60_000, 61_000, 250_000, 300_000],
  ]);
});
