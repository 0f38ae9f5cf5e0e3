/**
 * Runs the unit tests with tap and closes with a line "N passed, N failed".
 *
 *     node scripts/testing/unit-tests.mjs [--coverage] [TEST...]
 *
 * Each file is told as it ends, one that fails with all it said. With --coverage
 * every process that the tests start is counted, the bundled program too, and
 * less than the floor is a failure.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Percent of the lines of src/ that the unit tests alone reach. */
const COVERAGE_FLOOR = 80

const require = createRequire(import.meta.url)
/** The program of a package, to be run with the Node.js that is wanted. */
const programOf = (name, program = name) => {
  const path = require.resolve(`${name}/package.json`)
  const { bin } = require(path)
  return join(dirname(path), typeof bin === 'string' ? bin : bin[program])
}

const words = process.argv.slice(2)
const isCovered = words.includes('--coverage')
const tests = words.filter(word => !word.startsWith('--'))
const counted = isCovered
  ? mkdtempSync(join(tmpdir(), 'dendro-coverage-'))
  : undefined

/** The output of tap, one file's part at a time: the last line of each says how it went. */
const tellFiles = stream => {
  let rest = ''
  let part = []
  stream.on('data', data => {
    const lines = (rest + data).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      part.push(line)
      if (!/^(not )?ok /.test(line)) continue
      console.log(line.startsWith('ok ') ? line : part.join('\n'))
      part = []
    }
  })
  return () => part.join('\n')
}

const runTests = () =>
  new Promise(done => {
    const child = spawn(
      process.execPath,
      [programOf('tap'), '--reporter=tap', ...tests],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env:
          counted === undefined
            ? process.env
            : { ...process.env, NODE_V8_COVERAGE: counted },
      },
    )
    let text = ''
    const rest = tellFiles(child.stdout)
    child.stdout.on('data', data => (text += data))
    child.on('close', code => done({ code, text, rest: rest() }))
  })

const { code, text, rest } = await runTests()
// What of a failure comes after the last file, such as its details.
if (code !== 0) console.log(rest)
const counts = /^# \{ total: (\d+), pass: (\d+)(?:, fail: (\d+))?/m.exec(text)
const passed = Number(counts?.[2] ?? 0)
let failed = Number(counts?.[1] ?? 0) - passed
if (code !== 0 && failed === 0) failed++
if (counted !== undefined) {
  const { status } = spawnSync(
    process.execPath,
    [
      ...[programOf('c8'), 'report', '--temp-directory', counted],
      ...['--all', '--src', 'src', '--include', 'src/**/*.ts'],
      ...['--exclude', 'src/**/*.test.ts', '--exclude-after-remap'],
      ...['--reporter', 'text-summary', '--check-coverage'],
      ...['--lines', String(COVERAGE_FLOOR)],
    ],
    { stdio: 'inherit' },
  )
  if (status !== 0) {
    console.log(`not ok coverage: fewer lines than ${COVERAGE_FLOOR} %`)
    failed++
  }
  rmSync(counted, { recursive: true, force: true })
}
console.log(`unit tests: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
