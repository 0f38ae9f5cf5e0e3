/**
 * What the crash tests of this folder share (crash-*.test.ts): any operation of
 * a work may be the last. Afterwards the state is the old or the new one, all
 * that it lists is whole, and the next change works.
 *
 *     ONLY=TEXT    those works whose names have it
 */

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from '../system/files.ts'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError } from '../errors.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { LayerHistory } from '../etc/history.ts'
import { layerFingerprint, readLayer } from '../etc/layer.ts'
import { inParent } from '../etc/layer-tree.ts'
import { makeWhiteout } from '../etc/node-writer.ts'
import { toRefName } from '../refs/ref-name.ts'
import { listHolds } from '../store/holds.ts'
import { Repository } from '../store/repository.ts'
import { guardDisk } from '../system/disk.ts'
import { FaultyDisk, Stopped } from '../system/faulty-disk.ts'
import type { Fault } from '../system/faulty-disk.ts'
import { commitDirectory } from '../tree/commit.ts'
import { inspectCommit } from '../sysroot/commit-layout.ts'
import { Sysroot } from '../sysroot/session.ts'
import { deploy } from './deploy.ts'
import { readRecord } from '../sysroot/deployment.ts'
import {
  commitOf,
  deploymentName,
  layerPath,
  readSysroot,
  sysrootPaths,
} from '../sysroot/sysroot.ts'
import type { SysrootPaths } from '../sysroot/sysroot.ts'

/** Where copies are made, and what is copied. */
const base = mkdtempSync(join(tmpdir(), 'dendro-deploy-crash-'))

const commit = (repository: Repository, source: string) =>
  commitDirectory(
    repository,
    {
      ref: toRefName('os'),
      source,
      subject: 's',
      body: '',
      metadata: new Map(),
      timeSec: 1_700_000_000,
    },
    { mtime: { kind: 'exact' } },
  )

/** A kernel and a runtime, others in each version. */
const addBootParts = (source: string, version: string): void => {
  const kernel = join(source, 'usr/lib/modules', `6.${version}`)
  const runtime = join(source, 'usr/lib/dendro/bin')
  mkdirSync(kernel, { recursive: true })
  mkdirSync(runtime, { recursive: true })
  writeFileSync(join(kernel, 'vmlinuz'), `kernel ${version}\n`)
  writeFileSync(join(kernel, 'initramfs.img'), `initramfs ${version}\n`)
  writeFileSync(join(runtime, 'node'), `node ${version}\n`)
}

/** What a boot loader and the initramfs would find; throws where it is not whole. */
const bootsOf = (root: string, paths: SysrootPaths): string[] => {
  const list = readFileSync(join(paths.boot, 'deployments'), 'utf8')
  const runtimes = list
    .trim()
    .split('\n')
    .map(line => line.split(' ')[1] as string)
    .map(name => readFileSync(join(paths.runtimes, name, 'bin/node'), 'utf8'))
  const entries = join(paths.boot, 'loader', 'entries')
  const kernels = readdirSync(entries)
    .sort()
    .flatMap(name => {
      const text = readFileSync(join(entries, name), 'utf8')
      return ['linux', 'initrd'].map(key => {
        const path = new RegExp(`^${key} (.*)$`, 'm').exec(text)?.[1]
        return readFileSync(join(root, path ?? 'none'), 'utf8')
      })
    })
  return [...runtimes, ...kernels]
}

/** A sysroot that runs one version, with changes in /etc, and knows the next. */
const makeTemplate = async (): Promise<string> => {
  const source = join(base, 'source')
  const etc = join(source, 'usr', 'etc')
  mkdirSync(join(etc, 'd'), { recursive: true })
  mkdirSync(join(source, 'var', 'lib'), { recursive: true })
  writeFileSync(join(etc, 'a'), 'a1\n')
  writeFileSync(join(etc, 'both'), 'both1\n')
  writeFileSync(join(etc, 'gone'), 'gone\n')
  writeFileSync(join(etc, 'd', 'x'), 'x1\n')
  addBootParts(source, '1')
  const root = join(base, 'template')
  mkdirSync(join(root, 'dendro'), { recursive: true })
  mkdirSync(join(root, 'boot'))
  const paths = sysrootPaths(root)
  const repository = Repository.create(paths.repository)
  await commit(repository, source)
  const { deployment } = await deploy(new Sysroot(repository, paths), {
    revision: 'os',
    os: 'os',
  })
  const layer = layerPath(paths, deployment)
  writeFileSync(join(layer, 'mine'), 'mine\n')
  writeFileSync(join(layer, 'both'), 'both mine\n')
  inParent(textToLatin1(join(layer, 'gone')), makeWhiteout)
  chmodSync(layer, 0o755)
  addBootParts(source, '2')
  writeFileSync(join(etc, 'a'), 'a2\n')
  writeFileSync(join(etc, 'both'), 'both2\n')
  writeFileSync(join(source, 'var', 'lib', 'new'), 'v\n')
  await commit(repository, source)
  repository.close()
  return root
}

/** What `status` and a boot would see; throws where something is not whole. */
const stateOf = (root: string): string => {
  const paths = sysrootPaths(root)
  const repository = Repository.open(paths.repository)
  try {
    const state = readSysroot(paths)
    const held = listHolds(repository.paths).map(({ name }) => name)
    const entries = readdirSync(join(paths.boot, 'loader', 'entries')).sort()
    const lines = state.deployments.map(id => {
      const record = readRecord(paths, id)
      const { defaults } = inspectCommit(repository, commitOf(id))
      const changes = readLayer(
        layerPath(paths, id),
        new CommitDefaults(repository, defaults),
      )
      readdirSync(join(layerPath(paths, id), '..', 'work'))
      if (
        !held.some(name => name.endsWith(deploymentName(id).replace('/', '.')))
      )
        throw new Error(`${deploymentName(id)} is not held`)
      const names = record.conflicts.map(
        ({ path, number }) =>
          `${path}: ${readFileSync(join(layerPath(paths, id), '../../conflicts', String(number), 'mine'), 'utf8')}`,
      )
      return `${deploymentName(id)} ${id.isPinned} ${layerFingerprint(changes)} ${names.join()}`
    })
    if (entries.length !== lines.length)
      throw new Error('entries and state differ')
    for (const [index, id] of [...state.deployments].reverse().entries()) {
      const text = readFileSync(
        join(paths.boot, 'loader', 'entries', entries[index] as string),
        'utf8',
      )
      if (!text.includes(`dendro=${deploymentName(id)}`))
        throw new Error(`entry ${index} is not of ${deploymentName(id)}`)
    }
    return [...lines, ...bootsOf(root, paths)].join('\n')
  } finally {
    repository.close()
  }
}

/** A change of a sysroot that may be cut short anywhere. */
export interface Work {
  readonly name: string
  readonly run: (sysroot: Sysroot) => Promise<unknown>
  /** Brings the template to where the work begins. */
  readonly prepare?: Work['run']
}

/** Deploys the newest commit. */
export const upgrade: Work['run'] = sysroot =>
  deploy(sysroot, { revision: 'os' })

/** Deployments that are listed, or that can be brought back. */
const knownIn = (root: string): Set<string> => {
  const paths = sysrootPaths(root)
  const history = new LayerHistory(paths.history)
  try {
    const listed = readSysroot(paths).deployments.map(deploymentName)
    return new Set([...listed, ...history.listLeft('os')])
  } finally {
    history.close()
  }
}

const withSysroot = async (root: string, run: Work['run']): Promise<void> => {
  const paths = sysrootPaths(root)
  const repository = Repository.open(paths.repository)
  try {
    const sysroot = new Sysroot(repository, paths)
    await run(sysroot)
    sysroot.close()
  } finally {
    repository.close()
  }
}

let copies = 0

const copyOf = (root: string): string => {
  const path = join(base, `copy${copies++}`)
  spawnSync('cp', ['-a', root, path])
  return path
}

const runWith = async (root: string, work: Work, fault: Fault) => {
  const disk = new FaultyDisk(fault, base)
  let error: unknown
  guardDisk(disk)
  try {
    await withSysroot(root, work.run)
  } catch (thrown) {
    error = thrown
  } finally {
    guardDisk(undefined)
  }
  return { disk, error }
}

const isStop = (error: unknown): boolean =>
  error === undefined ||
  error instanceof Stopped ||
  (error instanceof Error && /stopped before/.test(error.message)) ||
  (error instanceof DendroError && error.cause instanceof Stopped)

/** Names of works, or parts of them. */
const only = process.env['ONLY'] ?? ''

/** Cuts each work short at every operation, and fills the disk at every third. */
export const testCrashPoints = async (
  t: Test,
  works: readonly Work[],
): Promise<void> => {
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  t.setTimeout(900_000)
  const template = await makeTemplate()
  for (const work of works.filter(({ name }) => name.includes(only))) {
    const begin = copyOf(template)
    if (work.prepare !== undefined) await withSysroot(begin, work.prepare)
    await t.test(`${work.name}: any operation may be the last`, t =>
      stopAnywhere(t, work, begin),
    )
    await t.test(`${work.name}: a full disk`, t => fillAnywhere(t, work, begin))
  }
}

/** How many operations the work takes; what it leaves is looked at by `look`. */
const countOperations = async (
  work: Work,
  begin: string,
  look: (root: string, error: unknown) => void,
): Promise<number> => {
  const whole = copyOf(begin)
  const { disk, error } = await runWith(whole, work, { kind: 'none' })
  look(whole, error)
  disk.clean()
  rmSync(whole, { recursive: true })
  return disk.count
}

const stopAnywhere = async (
  t: Test,
  work: Work,
  begin: string,
): Promise<void> => {
  const old = stateOf(begin)
  const known = [...knownIn(begin)]
  let done = ''
  const total = await countOperations(work, begin, (root, error) => {
    t.equal(error, undefined)
    done = stateOf(root)
    t.not(done, old)
  })
  for (let at = 1; at <= total; at++) {
    // Each point with one kind of loss; all kinds meet all parts of the work.
    const loss = (['none', 'bytes', 'all'] as const)[at % 3]
    const root = copyOf(begin)
    const outcome = await runWith(root, work, { kind: 'stop', at })
    if (!isStop(outcome.error)) t.fail(`${at}: ${String(outcome.error)}`)
    if (loss !== 'none' && loss !== undefined) outcome.disk.powerCut(loss)
    const where = `stopped at ${at} of ${total}, lost ${loss}`
    try {
      const state = stateOf(root)
      if (state !== old && state !== done) t.fail(`${where}:\n${state}`)
      const now = knownIn(root)
      for (const name of known)
        if (!now.has(name)) t.fail(`${where}: ${name} is lost`)
      await withSysroot(root, upgrade)
      stateOf(root)
    } catch (thrown) {
      t.fail(`${where}: ${String(thrown)}`)
    }
    outcome.disk.clean()
    rmSync(root, { recursive: true, force: true })
  }
  t.pass(`${total} operations`)
}

const fillAnywhere = async (
  t: Test,
  work: Work,
  begin: string,
): Promise<void> => {
  const total = await countOperations(work, begin, () => undefined)
  for (let at = 1; at <= total; at += 3) {
    const root = copyOf(begin)
    const fault = {
      kind: 'error',
      at,
      code: 'ENOSPC',
      isLasting: true,
    } as const
    const outcome = await runWith(root, work, fault)
    const where = `full at ${at} of ${total}`
    const isTold =
      outcome.error === undefined ||
      outcome.error instanceof DendroError ||
      (outcome.error instanceof Error && /injected/.test(outcome.error.message))
    if (!isTold) t.fail(`${where}: another error`)
    try {
      stateOf(root)
      await withSysroot(root, upgrade)
      stateOf(root)
    } catch (thrown) {
      t.fail(`${where}: ${String(thrown)}`)
    }
    outcome.disk.clean()
    rmSync(root, { recursive: true, force: true })
  }
  t.pass(`every third of ${total} operations`)
}
