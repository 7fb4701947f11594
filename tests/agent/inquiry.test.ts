import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createInquiry } from '../../agent/inquiry.ts';
import { linked } from './support/linked.ts';

const always = new AbortController().signal;

test('that a server gives no answer about work is told once, however long it lasts, and once that it is over', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const { link, gateway } = await linked({ claimedWithinMs: 300, log: pino({ level: 'silent' }) });
  const inquiry = createInquiry({ shutdown: { hurrying: always }, log });
  let isAway = false;
  gateway.answerInstead = (message) => (isAway && message.includes('"claimId"') ? '{"type":"pong"}' : undefined);
  const askedUntilAnswered = async () => {
    while ((await inquiry.ask(link, always)) === undefined);
  };
  for (const outage of [1, 2]) {
    isAway = false;
    await askedUntilAnswered();
    lines.splice(0);
    isAway = true;
    for (let time = 1; time <= 3; time++) {
      expect(await inquiry.ask(link, always)).toBeUndefined();
      expect([outage, inquiry.failures()]).toEqual([outage, time]);
    }
    isAway = false;
    await askedUntilAnswered();
    expect(lines[0]).toContain('The server could not be asked for work');
    expect(lines[1]).toContain('The server answers again when it is asked for work');
    expect(lines).toHaveLength(2);
    expect(inquiry.failures()).toBe(0);
  }
});
