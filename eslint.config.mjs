import tseslint from 'typescript-eslint'

/** node:fs belongs to system/ and to what stands on it; the pure folders have none. */
const pure = ['bytes', 'objects', 'chunking'].map(
  folder => `src/${folder}/**/*.ts`,
)

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'man/', '.tap/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: ['eslint.config.mjs', 'scripts/*.mjs'],
        },
      },
    },
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/require-await': 'off',
      'max-lines': ['error', { max: 450, skipComments: false }],
      'no-console': 'error',
      'no-control-regex': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: pure,
    ignores: ['src/**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: ['node:fs', 'node:fs/*', 'node:child_process', 'node:net'],
        },
      ],
    },
  },
  {
    files: ['scripts/**/*.mjs', 'eslint.config.mjs'],
    ...tseslint.configs.disableTypeChecked,
  },
  { files: ['scripts/**', 'mount-tests/**'], rules: { 'no-console': 'off' } },
  {
    files: ['src/**/*.test.ts'],
    rules: { '@typescript-eslint/no-floating-promises': 'off' },
  },
)
