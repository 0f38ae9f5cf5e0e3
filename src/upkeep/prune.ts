/**
 * Removes commits that no rule keeps, and the objects that only they needed.
 *
 * Order, each step durable before the next: tags go, histories are told to skip
 * what goes (grafts), commits go; then packs that hold nothing needed, and
 * last the sparse packs, after what is needed of them was copied and an index
 * names the copies. Killed between any two steps it leaves a repository that
 * lacks nothing, and packs that the next prune removes.
 */

import { DendroError, isDamage } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { RefStore } from '../refs/ref-store.ts'
import { followHistory, writeGrafts } from '../store/grafts.ts'
import { listHolds } from '../store/holds.ts'
import type { Grafts } from '../store/grafts.ts'
import type { IndexEntry } from '../store/index-format.ts'
import { encodeIndex } from '../store/index-format.ts'
import type { FinishedPack } from '../store/pack-writer.ts'
import { listQuarantine } from '../store/quarantine.ts'
import type { Repository } from '../store/repository.ts'
import { syncDirectory, unlinkFile } from '../system/disk.ts'
import type { OnWait } from '../system/lock.ts'
import type { HeldPath } from '../system/held-path.ts'
import { listEntries, listNames, sizeOfPlace } from '../system/plain-file.ts'
import { Reachability } from './reachability.ts'
import { repack } from './repack.ts'
import type { SparsePack } from './repack.ts'
import { retain } from './retention.ts'
import type { HistoryCommit, RetentionRules } from './retention.ts'

export interface PruneOptions {
  readonly rules: RetentionRules
  /** Change nothing; the numbers are those that a real run would give. */
  readonly isDryRun?: boolean
  /** Write all packs again, in one of each kind, at this level of zstd. */
  readonly repackLevel?: number | undefined
  /** Those of these commits (hex) that a mount uses: they stay. */
  readonly inUse?: (commits: readonly string[]) => Promise<readonly string[]>
  readonly onWait?: OnWait
}

export interface Pruned {
  readonly removedCommits: readonly Digest[]
  readonly keptCommits: number
  /** Commits that no rule keeps, but a mount uses. */
  readonly inUse: readonly Digest[]
  readonly removedTags: readonly string[]
  readonly removedObjects: number
  readonly removedPacks: number
  readonly rewrittenPacks: number
  /** Bytes of packs, indexes, commits, tags and grafts that went, less what came. */
  readonly freedBytes: number
}

/** A pack is written again when this share of it is not needed. */
const SPARSE_SHARE = 0.2

/**
 * Prunes. Waits for readers and writers to end, and they wait for it.
 * Errors: damage in what is kept (`dendro fsck` first), `SERVER_UNREACHABLE`,
 * `NO_SPACE`, system errors.
 */
export const pruneRepository = async (
  repository: Repository,
  options: PruneOptions,
): Promise<Pruned> => {
  const lock = await repository.lockObjects('exclusive', options.onWait)
  try {
    repository.indexes.reload()
    const run = () => new Prune(repository, options).run()
    if (options.isDryRun === true) return await run()
    return await repository.publish([], run, options.onWait)
  } catch (error) {
    if (!isDamage(error)) throw error
    throw new DendroError(error.code, `cannot prune: ${error.message}`, {
      cause: error,
      hint: 'nothing that is needed was removed; dendro fsck --repair first',
    })
  } finally {
    lock.release()
  }
}

/** What is in one pack, by frame. */
interface PackContent {
  readonly name: string
  readonly fileBytes: number
  readonly entries: IndexEntry[]
}

class Prune {
  readonly #repository: Repository
  readonly #options: PruneOptions
  readonly #isDry: boolean
  readonly #grafts: Grafts
  /** Each commit is read once. */
  readonly #loaded = new Map<Digest, Commit>()
  #freedBytes = 0

  constructor(repository: Repository, options: PruneOptions) {
    this.#repository = repository
    this.#options = options
    this.#isDry = options.isDryRun === true
    this.#grafts = repository.grafts()
  }

  #commit(id: Digest): Commit {
    const known = this.#loaded.get(id)
    if (known !== undefined) return known
    const commit = this.#repository.commits.load(id)
    this.#loaded.set(id, commit)
    return commit
  }

  /** What follows a commit in its history. */
  #next(id: Digest): Digest | undefined {
    return this.#grafts.has(id)
      ? this.#grafts.get(id)
      : this.#commit(id).parents[0]
  }

  async run(): Promise<Pruned> {
    const { commits } = this.#repository
    const { kept, droppedTags } = this.#retain()
    const candidates = commits.list().filter(id => !kept.has(id))
    const inUse = await this.#inUse(candidates)
    const keeps = (id: Digest): boolean => kept.has(id) || inUse.has(id)
    const removed = candidates.filter(id => !inUse.has(id))
    const grafts = this.#graft(keeps)
    const reach = new Reachability(this.#repository)
    // Before anything goes: damage in what is kept must be met here.
    for (const id of commits.list())
      if (keeps(id)) reach.add(this.#commit(id).root)
    const content = this.#packContents()
    const { repackLevel } = this.#options
    const sorted = sortPacks(content, reach.objects, repackLevel !== undefined)
    this.#removeTags(droppedTags)
    this.#removeCommits(removed, grafts)
    const stray = this.#strayPacks(content)
    await this.#removeObjects(sorted, stray)
    return {
      removedCommits: removed,
      keptCommits: commits.list().filter(keeps).length,
      inUse: [...inUse],
      removedTags: droppedTags,
      removedObjects: sorted.dead,
      removedPacks: sorted.empty.length + stray.length,
      rewrittenPacks: sorted.sparse.length,
      freedBytes: this.#freedBytes,
    }
  }

  #retain() {
    const { paths } = this.#repository
    const historyOf = (tip: Digest): HistoryCommit[] =>
      [...followHistory(tip, id => this.#next(id))].map(id => ({
        id,
        timeSec: this.#commit(id).timeSec,
      }))
    const refs = new RefStore(paths, 'refs').list()
    return retain(
      {
        histories: refs.map(({ commit }) => historyOf(commit)),
        tags: new RefStore(paths, 'tags').list(),
        held: listHolds(paths)
          .map(({ commit }) => commit)
          .filter(commit => this.#repository.commits.has(commit)),
        historyOf,
      },
      this.#options.rules,
    )
  }

  async #inUse(candidates: readonly Digest[]): Promise<Set<Digest>> {
    const { inUse } = this.#options
    if (inUse === undefined || candidates.length === 0) return new Set()
    const found = await inUse(candidates.map(digestToHex))
    return new Set(
      found.map(digestFromHex).filter(digest => digest !== undefined),
    )
  }

  /** For each kept commit whose first parent goes, the next one that stays. */
  #graft(keeps: (id: Digest) => boolean): Grafts {
    const { commits } = this.#repository
    const grafts = new Map<Digest, Digest | undefined>()
    for (const id of commits.list()) {
      if (!keeps(id)) continue
      const parent = this.#nextKept(id, keeps)
      if (parent !== this.#commit(id).parents[0]) grafts.set(id, parent)
    }
    return grafts
  }

  /** What follows a commit in its history and stays. */
  #nextKept(id: Digest, keeps: (id: Digest) => boolean): Digest | undefined {
    for (const next of followHistory(id, each => this.#next(each)))
      if (next !== id && keeps(next)) return next
    return undefined
  }

  /** All that the indexes name, each object once, by pack. */
  #packContents(): Map<string, PackContent> {
    const content = new Map<string, PackContent>()
    const seen = new Set<Digest>()
    const doubtful = listQuarantine(this.#repository.paths)
    for (const file of this.#repository.indexes.files)
      for (const entry of file.readAll()) {
        let pack = content.get(entry.pack)
        if (pack === undefined) {
          const fileBytes = sizeOfPlace(this.#pack(entry.pack))
          pack = { name: entry.pack, fileBytes, entries: [] }
          content.set(entry.pack, pack)
        }
        if (seen.has(entry.digest)) continue
        // Of something that was found damaged, the good copy is the one to keep.
        if (
          doubtful.has(entry.digest) &&
          !this.#repository.isReadableAt(entry.digest, entry)
        )
          continue
        seen.add(entry.digest)
        pack.entries.push(entry)
      }
    return content
  }

  #strayPacks(content: ReadonlyMap<string, PackContent>): string[] {
    return listEntries(this.#repository.paths.packs)
      .filter(entry => entry.name.endsWith('.pack') && !entry.isDirectory())
      .map(({ name }) => name.slice(0, -'.pack'.length))
      .filter(name => !content.has(name))
  }

  #removeTags(names: readonly string[]): void {
    const store = new RefStore(this.#repository.paths, 'tags')
    for (const { name } of store.list()) {
      if (!names.includes(name)) continue
      this.#freedBytes += sizeOfPlace(this.#repository.paths.tags.child(name))
      if (!this.#isDry) store.remove(name)
    }
  }

  /**
   * Commits go in no order that a power cut would respect, so while they do
   * each of them is grafted too: none is left following one that is gone.
   */
  #removeCommits(removed: readonly Digest[], grafts: Grafts): void {
    if (removed.length === 0) return
    const { commits, paths } = this.#repository
    this.#freedBytes += sizeOfPlace(paths.grafts) - graftBytes(grafts)
    for (const id of removed) this.#freedBytes += commits.fileBytes(id)
    if (this.#isDry) return
    const meanwhile = new Map(grafts)
    for (const id of removed) meanwhile.set(id, undefined)
    writeGrafts(paths, meanwhile)
    for (const id of removed) commits.remove(id)
    syncDirectory(paths.commits)
    writeGrafts(paths, grafts)
  }

  async #removeObjects(
    { live, empty, sparse }: SortedPacks,
    stray: readonly string[],
  ): Promise<void> {
    const { indexes, paths } = this.#repository
    if (empty.length === 0 && sparse.length === 0 && stray.length === 0) return
    const oldIndexBytes = directoryBytes(paths.index)
    const sparseNames = new Set(sparse.map(({ name }) => name))
    // Before they go no index may name them; and a full disk gets room before
    // anything large is written.
    if (!this.#isDry && empty.length > 0) indexes.replaceAll(live)
    this.#removePacks([...empty, ...stray])
    const written = await repack(paths, sparse, {
      isDry: this.#isDry,
      level: this.#options.repackLevel,
    })
    const entries = live
      .filter(({ pack }) => !sparseNames.has(pack))
      .concat(...written.map(entriesOf))
    if (!this.#isDry && sparse.length > 0) indexes.replaceAll(entries)
    this.#removePacks(sparse.map(({ name }) => name))
    const newIndexBytes = entries.length === 0 ? 0 : encodeIndex(entries).length
    this.#freedBytes += oldIndexBytes - newIndexBytes
    for (const { lengthBytes } of written) this.#freedBytes -= lengthBytes
  }

  #removePacks(names: readonly string[]): void {
    if (names.length === 0) return
    for (const name of names) {
      const place = this.#pack(name)
      this.#freedBytes += sizeOfPlace(place)
      if (!this.#isDry) unlinkFile(place)
    }
    if (!this.#isDry) syncDirectory(this.#repository.paths.packs)
  }

  #pack(name: string): HeldPath {
    return this.#repository.paths.packs.child(`${name}.pack`)
  }
}

interface SortedPacks {
  /** Entries of everything that is needed, and of what stays beside it. */
  readonly live: IndexEntry[]
  /** Names of packs that hold nothing needed. */
  readonly empty: readonly string[]
  readonly sparse: readonly SparsePack[]
  /** Objects that go. */
  readonly dead: number
}

/** Decides for each pack whether it stays, is written again, or goes. */
const sortPacks = (
  content: ReadonlyMap<string, PackContent>,
  needed: ReadonlySet<Digest>,
  repacksAll: boolean,
): SortedPacks => {
  // One by one: a pack has more of them than a call takes arguments.
  const live: IndexEntry[] = []
  const empty: string[] = []
  const sparse: SparsePack[] = []
  let dead = 0
  for (const { name, fileBytes, entries } of content.values()) {
    const wanted = entries.filter(({ digest }) => needed.has(digest))
    if (wanted.length === 0) {
      empty.push(name)
      dead += entries.length
    } else if (
      repacksAll ||
      deadShare(entries, needed, fileBytes) > SPARSE_SHARE
    ) {
      sparse.push({ name, entries, needed })
      for (const entry of wanted) live.push(entry)
      dead += entries.length - wanted.length
    } else for (const entry of entries) live.push(entry)
  }
  return { live, empty, sparse, dead }
}

/** The share of a pack's bytes that nobody needs; part of a frame by plain bytes. */
const deadShare = (
  entries: readonly IndexEntry[],
  needed: ReadonlySet<Digest>,
  fileBytes: number,
): number => {
  const frames = new Map<number, { bytes: number; all: number; dead: number }>()
  for (const { digest, frameOffset, frameBytes, lengthBytes } of entries) {
    const frame = frames.get(frameOffset) ?? {
      bytes: frameBytes,
      all: 0,
      dead: 0,
    }
    frame.all += lengthBytes
    if (!needed.has(digest)) frame.dead += lengthBytes
    frames.set(frameOffset, frame)
  }
  let dead = 0
  for (const { bytes, all, dead: gone } of frames.values())
    dead += (bytes * gone) / Math.max(1, all)
  return dead / Math.max(1, fileBytes)
}

const entriesOf = ({ name, objects }: FinishedPack): IndexEntry[] =>
  objects.map(object => ({ ...object, pack: name }))

const directoryBytes = (directory: HeldPath): number =>
  listNames(directory).reduce(
    (sum, name) => sum + sizeOfPlace(directory.child(name)),
    0,
  )

const HEX_DIGITS = 64
const SUM_LINE_BYTES = 'sum 0123456789abcdef\n'.length

/** The length of the file that writeGrafts makes. */
const graftBytes = (grafts: Grafts): number =>
  [...grafts.values()].reduce<number>(
    (sum, next) => sum + HEX_DIGITS + 2 + (next === undefined ? 1 : HEX_DIGITS),
    SUM_LINE_BYTES,
  )
