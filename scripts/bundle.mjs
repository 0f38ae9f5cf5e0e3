/**
 * Bundles the programs: one file loads in a few milliseconds, sixty small ES
 * modules in eighty. Output: dist/bundle/*.cjs
 */
import { build } from 'esbuild'

const result = await build({
  entryPoints: [
    'src/cli/main.ts',
    'src/mount/server-main.ts',
    'src/mount/control.ts',
    'src/mount/ahead-worker.ts',
    'src/machine/boot-control.ts',
    'src/store/compress-worker.ts',
    'src/tree/prefetch-worker.ts',
  ],
  outdir: 'dist/bundle',
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
    js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href",
  },
  logLevel: 'warning',
})
if (result.errors.length > 0) process.exit(1)
