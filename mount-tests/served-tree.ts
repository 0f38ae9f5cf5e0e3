/** A tree that is served, and what may happen to its server. */

import type { ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { waitFor } from './context.ts'
import type { TestContext } from './context.ts'
import { noise } from './odd-tree.ts'

const FILES = 24

/** A tree with some directories, and files too large for one request. */
const makeSource = (t: TestContext): string => {
  const source = t.makeDirectory('source')
  for (let i = 0; i < FILES; i++) {
    t.makeDirectory('source', `d${i % 5}`, 'deep')
    writeFileSync(`${source}/d${i % 5}/deep/f${i}`, noise(700_000, i))
  }
  writeFileSync(`${source}/small`, 'small\n')
  return source
}

/** Commits such a tree as `r`; where it is. */
export const start = (t: TestContext): string => {
  const source = makeSource(t)
  t.dendro('init')
  t.commit('r', source)
  return source
}

/** Whether a process has not ended. */
export const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Kills the server, which must be another one afterwards. */
export const killServer = async (t: TestContext, mountpoint: string) => {
  const { pid } = t.processes(mountpoint)
  process.kill(pid, 'SIGKILL')
  await waitFor('the server to end', () => !isRunning(pid))
  return pid
}

/** The events of a type. */
export const events = (t: TestContext, type: string): { type: string }[] =>
  t
    .dendro('events', '--json', '--type', type)
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as { type: string })

/** The kernel forgets what nobody uses. */
export const dropCaches = (): void =>
  writeFileSync('/proc/sys/vm/drop_caches', '3')

/** The status and all output of a process. */
export const ended = (
  child: ChildProcess,
): Promise<{ code: number; text: string }> =>
  new Promise(done => {
    let text = ''
    child.stdout?.on('data', (data: Buffer) => (text += data.toString()))
    child.stderr?.on('data', (data: Buffer) => (text += data.toString()))
    child.on('close', code => done({ code: code ?? -1, text }))
  })
