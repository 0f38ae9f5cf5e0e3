/**
 * Runs the mount tests, each file in a mount namespace of its own, and closes
 * with a line "N passed, N failed".
 *
 *     node dist/mount-tests/runner.js [--skip-real] [NAME...]
 *
 * A missing /dev/fuse is a failure, not a skip. A watchdog ends a file that
 * hangs: it shows where its processes sleep, aborts their connections and goes on.
 */

import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = resolve(fileURLToPath(import.meta.url), '..')
const FILE_TIMEOUT_MS = 20 * 60_000

interface FileResult {
  readonly passed: number
  readonly failed: number
}

const dumpStacks = (pid: number): void => {
  for (const name of readdirSync('/proc').filter(n => /^\d+$/.test(n))) {
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      if (!/^NSsid:\s.*\b\d+/m.test(status) && Number(name) !== pid) continue
      const state = /^State:\s+(\S)/m.exec(status)?.[1]
      if (state !== 'D') continue
      console.error(
        `--- ${name} ${readFileSync(`/proc/${name}/comm`, 'utf8').trim()}`,
      )
      console.error(readFileSync(`/proc/${name}/stack`, 'utf8'))
    } catch {
      // The process has ended meanwhile.
    }
  }
}

const abortConnections = (): void => {
  const base = '/sys/fs/fuse/connections'
  if (!existsSync(base)) return
  for (const name of readdirSync(base)) {
    const waiting = readFileSync(join(base, name, 'waiting'), 'utf8').trim()
    console.error(`connection ${name}: ${waiting} waiting`)
    if (waiting !== '0') writeFileSync(join(base, name, 'abort'), '1')
  }
}

const runFile = (name: string): Promise<FileResult> =>
  new Promise(done => {
    const child = spawn(
      'unshare',
      [
        '--mount',
        '--propagation',
        'private',
        process.execPath,
        join(HERE, 'run-case.js'),
        name,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
    )
    let text = ''
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString()
      process.stdout.write(data)
    })
    const timer = setTimeout(() => {
      console.error(`${name}: timed out`)
      dumpStacks(child.pid as number)
      abortConnections()
      process.kill(-(child.pid as number), 'SIGKILL')
    }, FILE_TIMEOUT_MS)
    child.on('close', code => {
      clearTimeout(timer)
      const passed = text.match(/^ok /gm)?.length ?? 0
      const failed = text.match(/^not ok /gm)?.length ?? 0
      const isBroken = code !== 0 && failed === 0
      if (isBroken) console.log(`not ok ${name}: ended with ${code}`)
      done({ passed, failed: failed + (isBroken ? 1 : 0) })
    })
  })

const wanted = process.argv.slice(2).filter(word => !word.startsWith('--'))
const skipsReal = process.argv.includes('--skip-real')
const names = readdirSync(join(HERE, 'cases'))
  .filter(name => name.endsWith('.js'))
  .map(name => name.replace(/\.js$/, ''))
  .filter(name => wanted.length === 0 || wanted.includes(name))
  .filter(name => !skipsReal || name !== 'real-tree')
  .sort()

let passed = 0
let failed = 0
if (!existsSync('/dev/fuse') || process.geteuid?.() !== 0) {
  console.log('not ok mount tests: they need root and /dev/fuse')
  failed++
} else
  for (const name of names) {
    const result = await runFile(name)
    passed += result.passed
    failed += result.failed
  }
console.log(`mount tests: ${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
