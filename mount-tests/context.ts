/** What a mount test works with: a directory, commands, and a clean end. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sharedRuntimeDirectory } from '../src/server/runtime-directory.ts'
import { findRepository } from '../src/store/layout.ts'
import { isAlive, readState } from '../src/server/server-state.ts'
import { byteCommand } from '../src/system/byte-command.ts'
import { readMountTable } from '../src/system/mount-table.ts'

const PROJECT = resolve(fileURLToPath(import.meta.url), '../../..')
export const DENDRO = join(PROJECT, 'scripts/dendro')
/** Long enough to make the real tree on a slow network. */
const COMMAND_TIMEOUT_MS = 900_000

export interface CommandResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly encoding?: 'utf8' | 'latin1'
}

export type Counts = Readonly<Record<string, number>>

const sleepMs = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** One test: its own temporary directory and repository. */
export class TestContext {
  readonly directory: string
  readonly repository: string

  constructor(directory: string) {
    this.directory = directory
    this.repository = join(directory, 'repo')
    mkdirSync(directory, { recursive: true })
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts)
  }

  makeDirectory(...parts: string[]): string {
    const path = this.path(...parts)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Runs a command whatever its status. */
  try(
    command: string,
    args: readonly string[],
    options: CommandOptions = {},
  ): CommandResult {
    const result = spawnSync(...byteCommand(command, args), {
      encoding: options.encoding ?? 'utf8',
      cwd: options.cwd ?? this.directory,
      input: options.input ?? '',
      timeout: COMMAND_TIMEOUT_MS,
      maxBuffer: 1 << 28,
      env: {
        PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C.UTF-8',
        HOME: this.directory,
        DENDRO_REPO: this.repository,
        ...options.env,
      },
    })
    if (result.error !== undefined) throw result.error
    const { status, stdout, stderr } = result
    return { status: status ?? -1, stdout, stderr }
  }

  /** Runs a command that must succeed; its stdout. */
  run(
    command: string,
    args: readonly string[],
    options: CommandOptions = {},
  ): string {
    const result = this.try(command, args, options)
    assert.equal(
      result.status,
      0,
      `${command} ${args.join(' ')} ended with ${result.status}: ${result.stderr.slice(0, 2000)}`,
    )
    return result.stdout
  }

  /** Runs a shell script that must succeed, with `args` as $1, $2, ... */
  sh(script: string, ...args: string[]): string {
    return this.run('sh', ['-euc', script, 'sh', ...args])
  }

  dendro(...args: string[]): string {
    return this.run(DENDRO, args).trimEnd()
  }

  tryDendro(...args: string[]): CommandResult {
    return this.try(DENDRO, args)
  }

  /** Commits a directory; the id. */
  commit(ref: string, directory: string, ...options: string[]): string {
    return this.dendro('commit', '-b', ref, ...options, directory)
  }

  mount(...args: string[]): string {
    const mountpoint = args.at(-1) as string
    mkdirSync(mountpoint, { recursive: true })
    this.dendro('mount', ...args)
    return mountpoint
  }

  /** The processes behind a mount. */
  processes(mountpoint: string): { pid: number; keeperPid: number } {
    const text = this.dendro('mount', 'stats', mountpoint, '--json')
    return JSON.parse(text) as { pid: number; keeperPid: number }
  }

  /** The same as the last server wrote it down, without asking one. */
  serverState(): { pid: number; keeperPid: number } {
    const found = findRepository(this.repository)
    found.paths.directory.close()
    const state = sharedRuntimeDirectory(found.identity)
    const written = readState(state)
    if (written === undefined) throw new Error(`no server wrote to ${state}`)
    return written
  }

  /** Requests by opcode since the server began. */
  requests(mountpoint: string): Counts {
    const text = this.dendro('mount', 'stats', mountpoint, '--json')
    return (JSON.parse(text) as { requests: Counts }).requests
  }

  /** Files that the server stored before they were asked for. */
  storedFiles(mountpoint: string): number {
    const text = this.dendro('mount', 'stats', mountpoint, '--json')
    return (JSON.parse(text) as { storedFiles: number }).storedFiles
  }

  /** Requests that `work` causes; FORGETs come when the kernel likes and are left out. */
  countRequests(mountpoint: string, work: () => void): Counts {
    const before = this.requests(mountpoint)
    work()
    const after = this.requests(mountpoint)
    const counts: Record<string, number> = {}
    for (const [name, count] of Object.entries(after)) {
      const more = count - (before[name] ?? 0)
      if (more > 0 && !name.includes('FORGET')) counts[name] = more
    }
    return counts
  }

  /** Unmounts what the test left and removes its files. */
  cleanUp(): void {
    for (let round = 0; round < 3; round++)
      for (const { mountpoint } of readMountTable().reverse())
        if (mountpoint.startsWith(`${this.directory}/`))
          this.try('umount', ['-l', mountpoint])
    for (const { mountpoint, type } of readMountTable())
      if (type === 'fuse.dendro') this.try('umount', ['-l', mountpoint])
    this.#removeRuntime()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** What servers left that were not allowed to end by themselves. */
  #removeRuntime(): void {
    let id: string
    try {
      const text = readFileSync(join(this.repository, 'config.json'), 'utf8')
      id = (JSON.parse(text) as { id: string }).id
    } catch {
      // No repository was made, or it was ruined on purpose.
      return
    }
    if (!existsSync('/run/dendro')) return
    for (const name of readdirSync('/run/dendro')) {
      const path = join('/run/dendro', name)
      const state = readState(path)
      if (!name.startsWith(id)) continue
      for (let i = 0; i < 40 && state !== undefined && isAlive(state); i++)
        sleepMs(50)
      if (state !== undefined && isAlive(state)) continue
      if (readMountTable().some(m => m.mountpoint.startsWith(path))) continue
      rmSync(path, { recursive: true, force: true })
    }
  }
}

const ATTEMPTS = 3

/**
 * The requests of `work` when everything is warm. The kernel may drop cached
 * pages at any time (the memory of a virtual machine can be taken back by its
 * host), so it is tried a few times: what costs requests by itself does so
 * each time.
 */
export const countWarm = (
  t: TestContext,
  mountpoint: string,
  work: () => void,
): Counts => {
  let counts: Counts = {}
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    work()
    counts = t.countRequests(mountpoint, work)
    if (sum(counts) === 0) break
  }
  return counts
}

export const sum = (counts: Counts): number =>
  Object.values(counts).reduce((a, b) => a + b, 0)

export type TestTable = Readonly<
  Record<string, (t: TestContext) => void | Promise<void>>
>

/** Waits until `isDone` with a deadline. */
export const waitFor = async (
  what: string,
  isDone: () => boolean,
  timeoutMs = 10_000,
): Promise<number> => {
  const began = Date.now()
  while (!isDone()) {
    if (Date.now() - began > timeoutMs)
      assert.fail(`waited in vain for ${what}`)
    await new Promise(done => setTimeout(done, 10))
  }
  return Date.now() - began
}

export const list = (directory: string): string[] =>
  readdirSync(directory).sort()
