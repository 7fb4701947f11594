import { connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { startAnnouncements, type AnnouncementOptions, type Announcements } from '../../db/listen.ts';
import { listenLocally } from '../../lib/port.ts';
import { between } from '../support/between.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const database = await createDatabase();
const running: Announcements[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((announcements) => announcements.stop()));
});
afterAll(() => database.drop());

const SYNTAX_ERROR = '42601';

interface Ear {
  announcements: Announcements;
  changes: number;
  logs: number;
  errors: Error[];
}

/** One server's end of the notifications, connected. */
async function listen(options: Partial<AnnouncementOptions> = {}): Promise<Ear> {
  const ear: Ear = {
    changes: 0,
    logs: 0,
    errors: [],
    announcements: startAnnouncements({
      url: database.url,
      ...options,
      onChange: (topic) => {
        if (topic !== 'keys') ear[topic === 'jobs' ? 'changes' : 'logs'] += 1;
      },
      onError: (error) => ear.errors.push(error),
    }),
  };
  running.push(ear.announcements);
  // The first call comes from the connection itself: whatever happened before was missed.
  await until('the connection', () => ear.changes > 0);
  return ear;
}

/** The backends that listen, by PostgreSQL's own word. */
const backends = () =>
  database.query<{ pid: number }>(
    `select pid from pg_stat_activity
     where datname = current_database() and query in ('listen kelpie', 'notify kelpie') and pid <> pg_backend_pid()`,
  );

describe('announcements', () => {
  test('reach every server, the one that announces included', async () => {
    const [one, two] = [await listen(), await listen()];
    const before = [one.changes, two.changes];
    one.announcements.announce();
    await until('both to hear', () => one.changes > before[0]! && two.changes > before[1]!);
  });

  test('of logs do not wake those who wait for jobs, and neither swallows the other', async () => {
    const [speaker, hearer] = [await listen(), await listen()];
    const before = { changes: hearer.changes, logs: hearer.logs };
    speaker.announcements.announce('logs');
    await until('the logs', () => hearer.logs > before.logs);
    expect(hearer.changes).toBe(before.changes);
    speaker.announcements.announce('logs');
    speaker.announcements.announce();
    await until('both', () => hearer.logs > before.logs + 1 && hearer.changes > before.changes);
  });

  test('a burst of 100 becomes a few notifications, and the last of it is not swallowed', async () => {
    const [speaker, hearer] = [await listen(), await listen()];
    const start = hearer.changes;
    speaker.announcements.announce();
    await until('the first', () => hearer.changes > start);
    const before = hearer.changes;
    for (let index = 0; index < 100; index++) speaker.announcements.announce();
    await until('the burst', () => hearer.changes > before);
    // A notification on another channel, sent later on the same database, comes later: by then the burst is over.
    const later = new pg.Client({ connectionString: database.url });
    await later.connect();
    const over = new Promise((resolve) => later.on('notification', resolve));
    await later.query('listen later');
    await later.query('notify later');
    await over;
    await later.end();
    expect(hearer.changes - before).toBeLessThanOrEqual(3);
  });

  test('survive the loss of their connection, and look again after it', async () => {
    const ear = await listen();
    const before = ear.changes;
    const [backend] = await backends();
    await database.query('select pg_terminate_backend($1)', [backend!.pid]);
    await until('the new connection', () => ear.changes > before);
    const now = ear.changes;
    ear.announcements.announce();
    await until('a notification over it', () => ear.changes > now);
    expect(ear.errors.length).toBeGreaterThan(0);
  });

  test('that could not be made while the connection was lost are made over the next one', async () => {
    const speaker = await listen();
    const [backend] = await backends();
    const hearer = await listen();
    await database.query('select pg_terminate_backend($1)', [backend!.pid]);
    await until('the loss', () => speaker.errors.length > 0);
    const before = hearer.changes;
    speaker.announcements.announce();
    await until('the announcement', () => hearer.changes > before);
  });

  test('that failed over a connection that stays are made again over it', async () => {
    const gate = await between(database.url);
    const ear = await listen({ url: gate.url });
    const before = ear.changes;
    gate.garble();
    ear.announcements.announce();
    await until('the announcement', () => ear.changes > before);
    expect(ear.errors.map((error) => 'code' in error && error.code)).toEqual([SYNTAX_ERROR]);
    await ear.announcements.stop();
    await gate.close();
  });

  test('notice that nobody answers any more, and connect anew', async () => {
    const gate = await between(database.url);
    const ear = await listen({ url: gate.url, lookEveryMs: 20, answerWithinMs: 1_000 });
    const before = ear.changes;
    gate.silence();
    await until('the new connection', () => ear.changes > before);
    const now = ear.changes;
    ear.announcements.announce();
    await until('a notification over it', () => ear.changes > now);
    await ear.announcements.stop();
    await gate.close();
  });

  test('stop without waiting, and leave no connection behind', async () => {
    const ear = await listen();
    await ear.announcements.stop();
    await until('the backend to end', async () => (await backends()).length === 0);
    ear.announcements.announce();
  });

  test('stop also while they are still connecting', async () => {
    const sockets: Socket[] = [];
    const { port: realPort } = new URL(database.url);
    // Somebody in between, who lets the connection be asked for before it is made.
    let arrived: () => void = () => undefined;
    let open: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (arrived = resolve));
    const opened = new Promise<void>((resolve) => (open = resolve));
    const gate = createServer((socket) => {
      sockets.push(socket);
      arrived();
      void opened.then(() => {
        const real = connect(Number(realPort), new URL(database.url).hostname);
        sockets.push(real);
        real.on('error', () => undefined);
        socket.on('error', () => undefined);
        socket.pipe(real).pipe(socket);
      });
    });
    const port = await listenLocally(gate);
    const url = new URL(database.url);
    url.hostname = '127.0.0.1';
    url.port = String(port);
    const announcements = startAnnouncements({ url: url.href, onChange: () => undefined, onError: () => undefined });
    await asked;
    const stopped = announcements.stop();
    open();
    await stopped;
    sockets.forEach((socket) => socket.destroy());
    await new Promise((resolve) => gate.close(resolve));
  });
});
