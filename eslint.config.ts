import { defineConfig } from 'eslint/config';
import regexp from 'eslint-plugin-regexp';
import tseslint from 'typescript-eslint';

export default defineConfig(
  { ignores: ['node_modules/', 'dist/', '.kelpie/', '**/generated/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', { max: 300 }],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-restricted-properties': [
        'error',
        {
          object: 'AbortSignal',
          property: 'any',
          message: 'It loses time limits to the garbage collector; use anyOf of lib/signals.ts.',
        },
      ],
      // An `async` method that satisfies an interface need not await.
      '@typescript-eslint/require-await': 'off',
      // A unit of the type checker's: `if (x === undefined)` on data from outside is not unnecessary.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
    },
  },
  {
    // Texts come from others: an expression that tries every way to share a run of characters stops the process that it runs in.
    ignores: ['tests/**', 'bench/**'],
    plugins: { regexp },
    rules: {
      'regexp/no-super-linear-backtracking': ['error', { report: 'potential' }],
      'regexp/no-super-linear-move': ['error', { report: 'potential' }],
    },
  },
  {
    files: ['tests/**', 'bench/**'],
    rules: {
      'max-lines': ['error', { max: 500 }],
      // A test's `describe` is a chapter, not a function with one job.
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // A type's fields, and a migration's SQL, are one table each: there is nothing in them to name apart.
    files: ['schema/**', 'db/migrations/**'],
    rules: { 'max-lines-per-function': ['error', { max: 200 }] },
  },
  {
    // Users copy these, without lib/: who is given such a signal there listens to it from the first to the last.
    files: ['client-examples/**'],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['**/*.js', '**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
);
