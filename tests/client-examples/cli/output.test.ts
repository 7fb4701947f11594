import { styleText } from 'node:util';
import { expect, test } from 'vitest';
import { fitted, plain, sayJson, tableOf } from '../../../client-examples/cli/output.ts';

test('columns of a table stand under one another, colours and wide letters notwithstanding', () => {
  const green = styleText('green', 'done', { validateStream: false });
  const table = tableOf(
    ['id', 'name', 'state'],
    [
      ['1', '訓練', green],
      ['22', 'e\u0301poque', ''],
      ['3', '', 'x'],
    ],
  );
  expect(table.split('\n')).toEqual(['id  name    state', `1   訓練    ${green}`, '22  e\u0301poque', '3           x']);
  expect(tableOf(['id'], [])).toBe('');
});

test('lines are cut to the width of a terminal, in columns and whole letters, and left whole in a pipe', () => {
  const write = () => true;
  const lines = 'short\n訓練訓練訓練\ne\u0301poque seven';
  expect(fitted(lines, { write, isTTY: true, columns: 8 })).toBe('short\n訓練訓…\ne\u0301poque …');
  expect(fitted(lines, { write, isTTY: true, columns: 80 })).toBe(lines);
  expect(fitted(lines, { write, columns: 8 })).toBe(lines);
});

/** Colours, a title, a carriage return, a bell, controls of one byte, and what turns text around. */
const HOSTILE = [
  ...['\u001b[31m', '\u001b]0;title\u0007', '\r', '\u0007', '\u007f', '\u0085', '\u009b31m', '\u009d0;title\u009c'],
  ...['\u061c', '\u200e', '\u200f', '\u2028', '\u2029', '\u202a', '\u202e', '\u2066', '\u2069'],
];
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

test.each(HOSTILE)('of a text by others a terminal is shown nothing that it would obey: %j', (part) => {
  const text = plain(`訓練${part}é`);
  expect(text).not.toMatch(OBEYED);
  expect(text).toMatch(/^訓練.*é$/);
});

test.each(HOSTILE)('JSON says it escaped, and means the same: %j', (part) => {
  const value = { [part]: `訓練${part}é`, list: [part] };
  const written: string[] = [];
  sayJson({ write: (text: string) => written.push(text) > 0 }, value);
  const text = written.join('');
  expect(text.slice(0, -1)).not.toMatch(OBEYED);
  expect(text.endsWith('\n')).toBe(true);
  expect(JSON.parse(text)).toEqual(value);
});
