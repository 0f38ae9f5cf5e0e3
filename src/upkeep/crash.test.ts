/**
 * Any operation may be the last: commit, ref update, prune and repair are
 * stopped before every operation that changes the disk, with what a killed
 * process, a power cut, or a lazy file system leaves behind. Afterwards the
 * repository opens, the check is clean, and the result is old or new.
 */

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DendroError } from '../errors.ts'
import { digestToHex } from '../objects/digest.ts'
import { toRefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { Repository } from '../store/repository.ts'
import { guardDisk } from '../system/disk.ts'
import { FaultyDisk, Stopped } from '../system/faulty-disk.ts'
import type { Fault, Loss } from '../system/faulty-disk.ts'
import { commitDirectory } from '../tree/commit.ts'
import { checkRepository } from './fsck.ts'
import { pruneRepository } from './prune.ts'
import { repairRepository } from './repair.ts'

const base = mkdtempSync(join(tmpdir(), 'dendro-crash-'))
t.teardown(() => rmSync(base, { recursive: true, force: true }))

const ref = toRefName('os/a')
const source = join(base, 'source')
mkdirSync(join(source, 'dir'), { recursive: true })

const noise = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = seed + 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const commit = (repository: Repository, subject: string) =>
  commitDirectory(
    repository,
    {
      ref,
      source,
      subject,
      body: '',
      metadata: new Map(),
      timeSec: 1_700_000_000,
    },
    { mtime: { kind: 'exact' } },
  )

/** A repository with three commits; a fourth can be made of `source`. */
const makeTemplate = async (): Promise<string> => {
  const path = join(base, 'template')
  const repository = Repository.create(path)
  writeFileSync(join(source, 'same'), noise(300_000, 1))
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(source, 'dir', 'changing'), noise(100_000, 10 + i))
    writeFileSync(join(source, `file${i}`), `number ${i}\n`)
    await commit(repository, `commit ${i}`)
  }
  repository.close()
  writeFileSync(join(source, 'dir', 'changing'), noise(100_000, 99))
  return path
}

/** What a reader sees: refs, histories, and that all contents are there. */
const stateOf = (path: string): string => {
  const repository = Repository.open(path)
  try {
    const result = checkRepository(repository)
    const damage = result.findings.filter(f => f.severity === 'damage')
    if (damage.length > 0)
      throw new Error(`damage: ${damage.map(f => f.message).join('; ')}`)
    const names = (['refs', 'tags'] as const).flatMap(kind =>
      new RefStore(repository.paths, kind)
        .list()
        .map(({ name, commit: id }) => `${kind}/${name} ${digestToHex(id)}`),
    )
    return [...names, ...repository.commits.listHex()].join('\n')
  } finally {
    repository.close()
  }
}

interface Work {
  readonly name: string
  readonly run: (repository: Repository) => Promise<unknown>
  /** Makes the repository that the work begins with, out of the template. */
  readonly prepare?: (path: string) => void
  /** States between old and new that are allowed: a check of the text. */
  readonly isBetween?: (state: string, old: string, done: string) => boolean
  readonly isTolerant?: boolean
}

const lines = (text: string): Set<string> => new Set(text.split('\n'))

const works: readonly Work[] = [
  { name: 'commit', run: repository => commit(repository, 'new') },
  {
    name: 'ref update',
    run: repository =>
      repository.publish([], () => {
        const refs = new RefStore(repository.paths, 'refs')
        const tip = refs.get(ref)
        if (tip === undefined) throw new Error('no tip')
        refs.set(toRefName('deep/new/ref'), tip)
      }),
  },
  {
    name: 'prune',
    run: repository => pruneRepository(repository, { rules: { last: 1 } }),
    // Commits go one by one; the kept ones never do.
    isBetween: (state, old, done) => {
      const now = lines(state)
      return (
        [...lines(done)].every(line => now.has(line)) &&
        [...now].every(line => lines(old).has(line))
      )
    },
  },
  {
    name: 'prune of everything',
    prepare: path => rmSync(join(path, 'refs', 'os', 'a')),
    run: repository => pruneRepository(repository, { rules: {} }),
    isBetween: (state, old) =>
      [...lines(state)].every(line => line === '' || lines(old).has(line)),
  },
  {
    name: 'repair',
    isTolerant: true,
    prepare: path => {
      for (const name of readdirSync(join(path, 'index')))
        rmSync(join(path, 'index', name))
    },
    run: repository => repairRepository(repository),
  },
]

let copies = 0

const freshCopy = (template: string, work: Work): string => {
  const path = join(base, `copy${copies++}`)
  cpSync(template, path, { recursive: true, preserveTimestamps: true })
  work.prepare?.(path)
  return path
}

interface Outcome {
  readonly disk: FaultyDisk
  readonly error: Error | undefined
}

const runWith = async (
  path: string,
  work: Work,
  fault: Fault,
): Promise<Outcome> => {
  const disk = new FaultyDisk(fault, base)
  const repository = Repository.open(path, {
    isTolerant: work.isTolerant === true,
  })
  guardDisk(disk)
  let error: Error | undefined
  try {
    await work.run(repository)
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown))
  } finally {
    guardDisk(undefined)
    repository.close()
  }
  return { disk, error }
}

/** The stop itself, wrapped or not; the program may also have gone on. */
const stopped = (error: unknown): boolean =>
  error === undefined ||
  error instanceof Stopped ||
  (error instanceof DendroError && error.cause instanceof Stopped) ||
  (error instanceof DendroError && error.message.includes('stopped before'))

/** Errors of the disk reach the caller as the project's error. */
const isTold = (error: unknown): boolean =>
  error === undefined ||
  error instanceof DendroError ||
  (error instanceof Error && /injected/.test(error.message))

/** A commit that no ref names yet is one more file and no more. */
const isNewCommit = (work: Work, state: string, old: string): boolean => {
  if (work.name !== 'commit') return false
  const more = [...lines(state)].filter(line => !lines(old).has(line))
  const less = [...lines(old)].filter(line => !lines(state).has(line))
  return less.length === 0 && more.length === 1
}

const template = await makeTemplate()

for (const work of works) {
  await t.test(`${work.name}: any operation may be the last`, async t => {
    const whole = freshCopy(template, work)
    const old = work.isTolerant === true ? undefined : stateOf(whole)
    const { disk, error } = await runWith(whole, work, { kind: 'none' })
    t.equal(error, undefined)
    const total = disk.count
    const done = stateOf(whole)
    t.ok(total > 3, `${total} operations`)
    rmSync(whole, { recursive: true })
    disk.clean()
    for (const loss of ['none', 'bytes', 'all'] as const)
      for (let at = 1; at <= total; at++) {
        const path = freshCopy(template, work)
        const outcome = await runWith(path, work, { kind: 'stop', at })
        if (!outcome.disk.isStopped) t.fail(`operation ${at} was not reached`)
        if (!stopped(outcome.error))
          t.fail(`operation ${at}: ${String(outcome.error)}`)
        if (loss !== 'none') outcome.disk.powerCut(loss satisfies Loss)
        const where = `stopped at ${at} of ${total}, lost ${loss}`
        try {
          if (old === undefined) {
            // A repair that was cut short is repaired by the next one.
            const again = await runWith(path, work, { kind: 'none' })
            if (again.error !== undefined) throw again.error
            if (stateOf(path) !== done) t.fail(`${where}: not as before`)
          } else {
            const state = stateOf(path)
            const isKnown =
              state === old ||
              state === done ||
              work.isBetween?.(state, old, done) === true
            if (!isKnown && !isNewCommit(work, state, old))
              t.fail(`${where}: ${state}`)
            const again = await runWith(path, work, { kind: 'none' })
            if (again.error !== undefined) throw again.error
            stateOf(path)
          }
        } catch (thrown) {
          t.fail(`${where}: ${String(thrown)}`)
        }
        outcome.disk.clean()
        rmSync(path, { recursive: true })
      }
  })

  await t.test(`${work.name}: any operation may fail`, async t => {
    const whole = freshCopy(template, work)
    const { disk } = await runWith(whole, work, { kind: 'none' })
    const total = disk.count
    const old = work.isTolerant === true ? undefined : stateOf(template)
    disk.clean()
    const faults = (at: number): Fault[] => [
      { kind: 'error', at, code: 'EIO', isLasting: false },
      { kind: 'error', at, code: 'ENOSPC', isLasting: true },
    ]
    for (let at = 1; at <= total; at++)
      for (const fault of faults(at)) {
        const path = freshCopy(template, work)
        const outcome = await runWith(path, work, fault)
        const where = `${JSON.stringify(fault)} of ${total}`
        if (!isTold(outcome.error)) t.fail(`${where}: ${String(outcome.error)}`)
        try {
          if (old !== undefined) stateOf(path)
          const again = await runWith(path, work, { kind: 'none' })
          if (again.error !== undefined) throw again.error
          stateOf(path)
        } catch (thrown) {
          t.fail(`${where}: ${String(thrown)}`)
        }
        outcome.disk.clean()
        rmSync(path, { recursive: true })
      }
    t.pass(`${total} operations, each failing in two ways`)
  })

  await t.test(`${work.name}: writes may be short`, async t => {
    const path = freshCopy(template, work)
    const { error } = await runWith(path, work, { kind: 'short', at: 1 })
    t.equal(error, undefined)
    t.doesNotThrow(() => stateOf(path))
  })
}

t.test('the copy that the tests begin with is whole', async t => {
  t.match(stateOf(template), /^refs\/os\/a [0-9a-f]{64}/)
  t.ok(readFileSync(join(template, 'config.json'), 'utf8').includes('"sum"'))
})
