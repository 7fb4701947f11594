import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { authenticate } from '../../core/accounts/keys.ts';
import { openTestCore, MASTER_KEY } from '../support/core.ts';
import { startProgram } from '../support/program.ts';

const { core, database, close } = await openTestCore();
afterAll(close);
const ADMIN = join(import.meta.dirname, '../../server/admin.ts');

async function admin(
  args: string[],
  more: Record<string, string> = {},
): Promise<{ code: number | null; lines: readonly string[] }> {
  const environment = {
    DATABASE_URL: database.url,
    KELPIE_MASTER_KEY: MASTER_KEY,
    PATH: process.env.PATH ?? '',
    ...more,
  };
  const program = startProgram(process.execPath, [ADMIN, ...args], {
    environment,
    workingDirectory: import.meta.dirname,
  });
  const { code } = await program.ended;
  return { code, lines: program.lines };
}

describe('npm run admin', () => {
  test('makes a key for a project of Salad’s, by names that are names', async () => {
    const where = ['--organization', 'Acme', '--project', 'lab'];
    const { code, lines } = await admin(['create-key', '--account', 'acme', ...where]);
    expect(code).toBe(0);
    const viewer = await authenticate(core, lines[0] ?? '');
    const [key] = await database.query('select org_name, project_name from api_keys where id = $1', [viewer?.keyId]);
    expect(key).toEqual({ org_name: 'acme', project_name: 'lab' });
    const refused = await admin(['create-key', '--account', 'acme', '--organization', '../rivals', '--project', 'lab']);
    expect([refused.code, refused.lines.join('\n')]).toEqual([2, expect.stringContaining('--organization')]);
  });

  test('says what it can do to who asks, and what came to who asks for something else', async () => {
    const [help, strange, misspelt] = await Promise.all([
      admin(['--help']),
      admin(['nonsense']),
      admin(['list-keys', '--acount', 'me']),
    ]);
    expect([help.code, help.lines[0]]).toEqual([0, 'Usage: npm run admin -- COMMAND']);
    expect([strange.code, strange.lines[0]]).toEqual([2, 'Expected one of the commands below, got nonsense']);
    expect(strange.lines.join('\n')).toContain('Usage');
    expect([misspelt.code, misspelt.lines[0]]).toEqual([2, "Unknown option '--acount'"]);
  });

  test('makes a key, lists it, and revokes it', async () => {
    const made = await admin(['create-key', '--account', 'me', '--role', 'agent', '--name', 'fleet', '--days', '1']);
    expect(made.code).toBe(0);
    const viewer = await authenticate(core, made.lines[0] ?? '');
    expect(viewer?.role).toBe('AGENT');
    const id = viewer?.keyId ?? '';
    const { lines } = await admin(['list-keys', '--account', 'me']);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^${id}\tme\tAGENT\tfleet\t.*good until`));
    expect(lines[0]).not.toContain(made.lines[0]);
    expect((await admin(['revoke-key', id])).lines[0]).toContain('is revoked');
    expect(await authenticate(core, made.lines[0] ?? '')).toBeUndefined();
  });

  test('makes an account once', async () => {
    const [first, again] = [await admin(['create-account', 'lab']), await admin(['create-account', 'lab'])];
    expect([first.code, again.code]).toEqual([0, 0]);
    expect(again.lines).toEqual(first.lines);
    expect(await database.query('select id from accounts where username = $1', ['lab'])).toEqual([
      { id: first.lines[0] },
    ]);
    expect((await admin(['create-account'])).code).toBe(2);
  });

  test('rotates the master key', async () => {
    const keys = { KELPIE_MASTER_KEY: 'the next master key', KELPIE_MASTER_KEYS_OLD: ` another one , ${MASTER_KEY}` };
    expect((await admin(['rotate-master-key'], keys)).lines[0]).toMatch(/^[1-9]\d* secrets were sealed anew, 0 were/);
    const { code, lines } = await admin(['list-keys']);
    expect(code).toBe(2);
    expect(lines.join('\n')).toContain('KELPIE_MASTER_KEY is not the one');
  });

  test('says how it is used to who leaves out a word', async () => {
    const { code, lines } = await admin(['revoke-key']);
    expect(code).toBe(2);
    expect(lines.join('\n')).toContain('Usage');
  });
});
