import { styleText } from 'node:util';
import { expect, test } from 'vitest';
import { tableOf } from '../../../client-examples/cli/output.ts';

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
