/**
 * Bundles the programs: one file loads in a few milliseconds, sixty small ES
 * modules in eighty. Output: dist/bundle/*.cjs
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { build } from 'esbuild'

/** Modules of Node that take milliseconds to load, and that most commands never need. */
const LAZY = /= require\("(node:(?:child_process|crypto|net))"\);/g

/** Loads such a module when something of it is asked for. */
const LAZILY =
  'const lazily = id => new Proxy({}, { get: (_, key) => require(id)[key] })'

const outdir = 'dist/bundle'
const result = await build({
  entryPoints: [
    'src/cli/main.ts',
    'src/server/server-main.ts',
    'src/server/control.ts',
    'src/view/ahead-worker.ts',
    'src/machine/boot-control.ts',
    'src/store/compress-worker.ts',
    'src/tree/prefetch-worker.ts',
  ],
  outdir,
  entryNames: '[name]',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  sourcemap: true,
  external: ['@napi-rs/blake-hash', 'blake3-wasm', 'zstd-napi', 'fuse-native'],
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: {
    js: `const importMetaUrl = require('node:url').pathToFileURL(__filename).href; ${LAZILY}`,
  },
  logLevel: 'warning',
  write: false,
})
if (result.errors.length > 0) process.exit(1)

rmSync(outdir, { recursive: true, force: true })
for (const { path, text } of result.outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  const code = path.endsWith('.cjs')
    ? text.replace(LAZY, '= lazily("$1");')
    : text
  writeFileSync(path, code, { mode: 0o755 })
}

// A program without them would not start.
await import('./build-cli.mjs')
