/**
 * Repairs a repository after a check: takes good copies from wherever there is
 * one, saves what is whole in damaged packs, and builds the indexes again.
 *
 * What replaces is durable before what it replaces goes; damaged packs are
 * moved to `quarantine/`, never removed.
 */

import { statSync } from '../system/files.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { DendroError, isDamage } from '../errors.ts'
import { encodeCommit } from '../objects/commit.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { decodeExtentList } from '../objects/extents.ts'
import type { Extent } from '../objects/extents.ts'
import { Tree } from '../objects/tree.ts'
import type { RefName } from '../refs/ref-name.ts'
import { RefStore } from '../refs/ref-store.ts'
import { writeGrafts } from '../store/grafts.ts'
import type { IndexEntry } from '../store/index-format.ts'
import type { LocalLease } from '../store/object-reader.ts'
import { ObjectWriter } from '../store/object-writer.ts'
import type { ObjectSink } from '../store/object-writer.ts'
import type { PackKind } from '../store/pack-format.ts'
import type { FinishedPack } from '../store/pack-writer.ts'
import { listQuarantine, releaseQuarantine } from '../store/quarantine.ts'
import { Repository } from '../store/repository.ts'
import { renameFile, syncDirectory } from '../system/disk.ts'
import {
  makeDirectoryDurably,
  removeIfThere,
  temporaryName,
} from '../system/durable-file.ts'
import { statPlace } from '../system/plain-file.ts'
import type { OnWait } from '../system/lock.ts'
import { importTree } from '../tree/import.ts'
import { checkRepository } from './fsck.ts'
import { refFiles } from './published.ts'
import type { FsckOptions, FsckResult } from './fsck.ts'
import type { ReachedObject } from './reachability.ts'
import { scanPack } from './scan-pack.ts'
import type { ScannedPack } from './scan-pack.ts'

export interface RepairOptions extends Pick<
  FsckOptions,
  'maxPaths' | 'onProgress'
> {
  /** Repositories and directories that may hold good copies. */
  readonly from?: readonly string[]
  readonly onWait?: OnWait
}

export interface RepairResult {
  readonly before: FsckResult
  /** The check afterwards; `before` itself when there was nothing to do. */
  readonly after: FsckResult
  /** Objects and commits that were taken from elsewhere. */
  readonly recovered: number
  /** Names of packs that were moved to `quarantine/`. */
  readonly quarantined: readonly string[]
}

/** Checks and repairs. Errors: `NOT_FOUND` for a source, `NO_SPACE`, system errors. */
export const repairRepository = async (
  repository: Repository,
  options: RepairOptions = {},
): Promise<RepairResult> => {
  const sources = openSources(options.from ?? [])
  const lock = await repository.lockObjects('exclusive', options.onWait)
  try {
    return await repository.publish(
      [],
      () => new Repair(repository, options, sources).run(),
      options.onWait,
    )
  } finally {
    lock.release()
    for (const { repository: opened } of sources) opened?.close()
  }
}

interface Source {
  readonly path: string
  /** Undefined: a plain directory, such as a checkout. */
  readonly repository: Repository | undefined
}

const openSources = (paths: readonly string[]): Source[] =>
  paths.map(path => {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw new DendroError(
        'NOT_FOUND',
        `cannot repair from ${path}: it is no directory`,
        { hint: 'name a repository or a checked-out tree' },
      )
    try {
      return { path, repository: Repository.open(path) }
    } catch (error) {
      if (!(error instanceof DendroError)) throw error
      if (error.code !== 'NOT_A_REPOSITORY') throw error
      return { path, repository: undefined }
    }
  })

const kindOf = (object: ReachedObject): PackKind =>
  object.kind === 'chunk' ? 'data' : 'meta'

class Repair {
  readonly #repository: Repository
  readonly #lease: LocalLease
  readonly #options: RepairOptions
  readonly #sources: readonly Source[]
  readonly #wanted = new Map<Digest, ReachedObject>()
  /** Objects of packs that stay. */
  readonly #kept = new Set<Digest>()
  /** What was asked for already. */
  readonly #met = new Set<Digest>()
  /** Encoded commits that were recovered; written once their objects are. */
  readonly #commits: Buffer[] = []
  #recovered = 0

  constructor(
    repository: Repository,
    options: RepairOptions,
    sources: readonly Source[],
  ) {
    this.#repository = repository
    this.#lease = repository.lease()
    this.#options = options
    this.#sources = sources
  }

  async run(): Promise<RepairResult> {
    const { maxPaths, onProgress } = this.#options
    const whole = {
      ...(maxPaths === undefined ? {} : { maxPaths }),
      ...(onProgress === undefined ? {} : { onProgress }),
    }
    const before = checkRepository(this.#repository, whole)
    if (before.findings.length === 0)
      return { before, after: before, recovered: 0, quarantined: [] }
    for (const [digest, object] of before.wanted)
      this.#wanted.set(digest, object)
    const sound = before.packs.filter(isSound)
    const broken = before.packs.filter(pack => !isSound(pack))
    for (const pack of sound)
      for (const { digest } of pack.objects) this.#kept.add(digest)
    const packs = await this.#writePacks(before, broken)
    this.#clearPlaces(before)
    this.#repository.indexes.replaceAll(entriesOf(sound, packs))
    for (const bytes of this.#commits) this.#repository.commits.restore(bytes)
    this.#setAside(broken)
    this.#repairHistories(before)
    this.#removeCaches(before)
    const { paths } = this.#repository
    const stored = listQuarantine(paths)
    releaseQuarantine(
      paths,
      [...stored].filter(digest => this.#repository.has(digest)),
    )
    // Trees that were read from damaged packs may be in memory.
    const fresh = Repository.open(paths.root, { isTolerant: true })
    try {
      return {
        before,
        after: checkRepository(fresh, whole),
        recovered: this.#recovered,
        quarantined: broken.map(({ name }) => name),
      }
    } finally {
      fresh.close()
    }
  }

  /** Writes what is saved and what is recovered into new packs. */
  async #writePacks(
    before: FsckResult,
    broken: readonly ScannedPack[],
  ): Promise<FinishedPack[]> {
    const writer = new ObjectWriter(
      this.#repository.paths,
      digest => this.#kept.has(digest),
      { release: () => undefined },
    )
    try {
      for (const pack of broken) await this.#save(writer, pack)
      this.#recoverCommits(writer, before)
      await this.#recoverObjects(writer)
      return await writer.finish()
    } finally {
      await writer.close()
    }
  }

  async #save(writer: ObjectWriter, pack: ScannedPack): Promise<void> {
    const { paths } = this.#repository
    scanPack(paths.packs.child(`${pack.name}.pack`), pack.name, {
      onObject: (_object, bytes) => writer.add(pack.kind, bytes),
    })
    await writer.drained()
  }

  /** Commits that are damaged, or missing where a ref or a history names them. */
  #recoverCommits(writer: ObjectWriter, before: FsckResult): void {
    const lost = new Set(before.badCommits)
    const { paths } = this.#repository
    for (const kind of ['refs', 'tags'] as const) {
      const store = new RefStore(paths, kind)
      for (const name of refFiles(paths[kind])) {
        const commit = tolerant(() => store.get(name as RefName))
        if (commit !== undefined && !before.good.has(commit)) lost.add(commit)
      }
    }
    for (const id of before.cutHistories) {
      const parent = before.good.get(id)?.parents[0]
      if (parent !== undefined) lost.add(parent)
    }
    const tried = new Set<Digest>()
    for (const id of lost) {
      if (tried.has(id)) continue
      tried.add(id)
      for (const { repository } of this.#sources) {
        const commit = tolerant(() => repository?.commits.get(id))
        if (commit === undefined) continue
        this.#commits.push(encodeCommit(commit))
        this.#recovered++
        this.#want(writer, { digest: commit.root.tree, kind: 'tree' })
        const parent = commit.parents[0]
        if (parent !== undefined && !this.#repository.commits.has(parent))
          lost.add(parent)
        break
      }
    }
  }

  /** Wants an object that is not stored; of one that is, what it needs. */
  #want(writer: ObjectWriter, object: ReachedObject): void {
    const stack = [object]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { digest, kind } = next
      if (this.#met.has(digest)) continue
      this.#met.add(digest)
      if (!writer.has(digest)) this.#wanted.set(digest, next)
      else if (kind !== 'chunk') {
        // One by one: a tree has more of them than a call takes arguments.
        const children = tolerant(() =>
          childrenOf(kind, this.#lease.read(digest)),
        )
        for (const child of children ?? []) stack.push(child)
      }
    }
  }

  async #recoverObjects(writer: ObjectWriter): Promise<void> {
    for (let found = -1; found !== this.#recovered && this.#wanted.size > 0;) {
      found = this.#recovered
      for (const { repository } of this.#sources)
        if (repository !== undefined) this.#pull(writer, repository)
      for (const { path, repository } of this.#sources)
        if (repository === undefined && this.#wanted.size > 0)
          await this.#gather(writer, path)
    }
  }

  /** Takes from another repository what is wanted, and what that needs. */
  #pull(writer: ObjectWriter, source: Repository): void {
    // Grows while it is walked.
    const lease = source.lease()
    for (const object of this.#wanted.values()) {
      const bytes = tolerant(() => lease.read(object.digest))
      if (bytes !== undefined) this.#accept(writer, object, bytes)
      lease.end()
    }
  }

  /** Reads a directory as a commit would, and keeps what is wanted. */
  async #gather(writer: ObjectWriter, path: string): Promise<void> {
    const sink: ObjectSink = {
      add: (kind, bytes) => {
        const digest = digestOf(bytes)
        const object = this.#wanted.get(digest)
        if (object !== undefined && kindOf(object) === kind)
          this.#accept(writer, object, Buffer.from(bytes))
        return digest
      },
      has: digest => writer.has(digest),
      isBehind: () => writer.isBehind(),
      drained: () => writer.drained(),
    }
    await importTree(this.#repository, sink, textToLatin1(path), {
      mtime: { kind: 'exact' },
      allowChanging: true,
      ignoreStatCache: true,
    })
  }

  #accept(writer: ObjectWriter, object: ReachedObject, bytes: Buffer): void {
    const { digest, kind } = object
    if (digestOf(bytes) !== digest) return
    const children = tolerant(() => childrenOf(kind, bytes))
    if (children === undefined) return
    writer.add(kindOf(object), bytes)
    this.#wanted.delete(digest)
    this.#recovered++
    for (const child of children) this.#want(writer, child)
  }

  /** Directories that stand where a file belongs go to `quarantine/`. */
  #clearPlaces({ findings }: FsckResult): void {
    const { directory, quarantine } = this.#repository.paths
    for (const { file, subject } of findings) {
      if (file === undefined || subject === 'ref' || subject === 'pack')
        continue
      const place = directory.at(file)
      if (statPlace(place)?.isDirectory() !== true) continue
      makeDirectoryDurably(quarantine)
      renameFile(
        place,
        quarantine.child(temporaryName(file.replaceAll('/', '-'))),
      )
      syncDirectory(quarantine)
    }
  }

  #setAside(broken: readonly ScannedPack[]): void {
    if (broken.length === 0) return
    const { paths } = this.#repository
    makeDirectoryDurably(paths.quarantine)
    for (const { name } of broken)
      renameFile(
        paths.packs.child(`${name}.pack`),
        paths.quarantine.child(`${name}.pack`),
      )
    syncDirectory(paths.quarantine)
    syncDirectory(paths.packs)
  }

  /** What is lost for good is where history ends now. */
  #repairHistories(before: FsckResult): void {
    const grafts = new Map(before.grafts)
    for (const id of before.circles) grafts.delete(id)
    const { commits, paths } = this.#repository
    for (const id of before.cutHistories) {
      const parent = before.good.get(id)?.parents[0]
      if (parent !== undefined && !commits.has(parent))
        grafts.set(id, undefined)
    }
    for (const id of commits.list()) {
      const commit = tolerant(() => commits.get(id))
      const parent = commit?.parents[0]
      if (parent === undefined || commits.has(parent)) continue
      if (!grafts.has(id)) grafts.set(id, undefined)
    }
    const isSame =
      before.circles.length === 0 && grafts.size === before.grafts?.size
    if (!isSame) writeGrafts(paths, grafts)
  }

  #removeCaches(before: FsckResult): void {
    for (const { subject, file } of before.findings)
      if (
        (subject === 'cache' || subject === 'operation') &&
        file !== undefined
      )
        removeIfThere(this.#repository.paths.directory.at(file))
  }
}

const isSound = (pack: ScannedPack): boolean => pack.problems.length === 0

const entriesOf = (
  sound: readonly ScannedPack[],
  packs: readonly FinishedPack[],
): IndexEntry[] =>
  [...packs, ...sound].flatMap(({ name, objects }) =>
    objects.map(object => ({ ...object, pack: name })),
  )

const childrenOf = (
  kind: ReachedObject['kind'],
  bytes: Buffer,
): ReachedObject[] => {
  if (kind === 'chunk') return []
  const chunk = ({ chunk: digest, lengthBytes }: Extent): ReachedObject[] =>
    digest === undefined ? [] : [{ digest, kind: 'chunk', lengthBytes }]
  if (kind === 'extents') return decodeExtentList(bytes).flatMap(chunk)
  return Tree.decode(bytes).entries.flatMap(
    ({ object }): readonly ReachedObject[] => {
      if (object.kind === 'directory')
        return [{ digest: object.tree, kind: 'tree' }]
      if (object.kind !== 'file') return []
      return typeof object.content === 'string'
        ? [{ digest: object.content, kind: 'extents' }]
        : object.content.flatMap(chunk)
    },
  )
}

/** The result, or undefined where damage is in the way. */
const tolerant = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}
