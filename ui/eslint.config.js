import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

const FEATURES = ['drift', 'fleet', 'help', 'node', 'plan', 'rollouts', 'settings', 'start'];
const tauriOnly = { group: ['@tauri-apps/*'], message: 'Only lib/api/tauri.ts talks to Tauri.' };
const bindingsOnly = { group: ['**/bindings'], message: 'Take types from $lib/api/api.' };

/** Imports go down only: app, then features, then lib; a feature never imports another. */
export default ts.config(
  { ignores: ['dist/', 'dist-fake/', 'coverage/', 'shots/', 'src/lib/api/bindings.ts'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...ts.configs.stylistic,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
  },
  {
    rules: {
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      'no-console': 'error',
      'no-restricted-imports': ['error', { patterns: [tauriOnly, bindingsOnly] }],
      'svelte/no-at-html-tags': 'error',
      'svelte/require-each-key': 'error',
      // Sets and maps that live inside one computation need not be watched.
      'svelte/prefer-svelte-reactivity': 'off',
      'max-lines': ['error', { max: 300 }],
    },
  },
  { files: ['src/**/*.test.ts', 'src/lib/api/fake/**', 'scripts/**'], rules: { 'max-lines': 'off' } },
  {
    files: ['src/lib/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            tauriOnly,
            bindingsOnly,
            { group: ['**/features/**', '**/app/**'], message: 'lib knows neither features nor the app.' },
          ],
        },
      ],
    },
  },
  ...FEATURES.map((own) => ({
    files: [`src/features/${own}/**`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            tauriOnly,
            bindingsOnly,
            {
              group: [...FEATURES.filter((other) => other !== own).map((other) => `**/${other}/*`), '**/app/**'],
              message: 'Features do not import features: move what is shared down to lib or up to app.',
            },
          ],
        },
      ],
    },
  })),
  { files: ['src/lib/api/api.ts', 'src/lib/api/tauri.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['src/lib/ui/Markdown.svelte'], rules: { 'svelte/no-at-html-tags': 'off' } },
  { files: ['scripts/**', '*.config.*'], languageOptions: { globals: { ...globals.node } }, rules: { 'no-console': 'off' } },
);
