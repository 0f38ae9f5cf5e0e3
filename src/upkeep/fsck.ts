/**
 * Checks a repository: structure, digests, reachability.
 *
 * The order is that of trust: packs say what is stored, indexes are compared
 * with them, commits and trees are read through what was found whole, and refs
 * last. Nothing is changed; repair.ts acts on the result.
 */

import { DendroError, isDamage } from '../errors.ts'
import type { Commit } from '../objects/commit.ts'
import { digestFromHex, digestToHex } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import type { Grafts } from '../store/grafts.ts'
import type { IndexEntry } from '../store/index-format.ts'
import { OperationLog } from '../store/operation-log.ts'
import { listQuarantine } from '../store/quarantine.ts'
import type { Place } from '../store/place.ts'
import type { Repository } from '../store/repository.ts'
import type { HeldPath } from '../system/held-path.ts'
import {
  listNamesIfThere,
  readPlain,
  sizeOfPlace,
  statPlace,
} from '../system/plain-file.ts'
import { isWhole, MAX_CACHE_BYTES } from '../tree/stat-cache.ts'
import { checkHistories } from './check-histories.ts'
import { damageOf } from './findings.ts'
import type { AffectedCommit, Finding } from './findings.ts'
import { readPublished } from './published.ts'
import type { Published } from './published.ts'
import { pathsNeeding, Reachability } from './reachability.ts'
import type { ReachedObject } from './reachability.ts'
import { scanPack } from './scan-pack.ts'
import type { ScannedObject, ScannedPack } from './scan-pack.ts'

export interface FsckOptions {
  /** What to check; what is there now when left out. */
  readonly published?: Published
  /** Structure and reachability only: no content is read. */
  readonly isQuick?: boolean
  /** Leave out packs and commits whose files are older, in milliseconds since 1970. */
  readonly sinceMs?: number
  /** Paths named for each commit that damage touches. */
  readonly maxPaths?: number
  readonly onProgress?: (progress: FsckProgress) => void
}

export interface FsckProgress {
  readonly packs: number
  readonly totalPacks: number
  readonly bytes: number
  readonly totalBytes: number
}

export interface FsckResult {
  readonly findings: readonly Finding[]
  readonly isQuick: boolean
  readonly packs: readonly ScannedPack[]
  /** Objects and commits that were looked at. */
  readonly objects: number
  readonly bytes: number
  readonly commits: number
  /** Needed and not to be had, with what each is. */
  readonly wanted: ReadonlyMap<Digest, ReachedObject>
  /** Commits that are whole. */
  readonly good: ReadonlyMap<Digest, Commit>
  /** Commit files that are not. */
  readonly badCommits: readonly Digest[]
  /** Commits whose first parent is missing without a word about it. */
  readonly cutHistories: readonly Digest[]
  /** Commits of histories that grafts lead in a circle. */
  readonly circles: readonly Digest[]
  readonly grafts: Grafts | undefined
}

const DEFAULT_MAX_PATHS = 20

/** Checks. The caller holds the objects lock. Errors: system errors. */
export const checkRepository = (
  repository: Repository,
  options: FsckOptions = {},
): FsckResult => new Fsck(repository, options).run()

class Fsck {
  readonly #repository: Repository
  readonly #options: FsckOptions
  readonly #published: Published
  readonly #findings: Finding[] = []
  /** What packs hold whole, and what they hold damaged. */
  readonly #stored = new Map<Digest, number>()
  readonly #damaged = new Set<Digest>()
  readonly #wanted = new Map<Digest, ReachedObject>()
  #bytes = 0

  constructor(repository: Repository, options: FsckOptions) {
    this.#repository = repository
    this.#options = options
    this.#published = options.published ?? readPublished(repository)
  }

  run(): FsckResult {
    const packs = this.#checkPacks()
    this.#useScanned(packs)
    this.#checkIndexes(packs)
    const { good, bad } = this.#checkCommits()
    const objects = this.#checkReachable(good)
    const grafts = this.#readGrafts()
    const { cut, circles, findings } = checkHistories(good, grafts, id =>
      this.#repository.commits.has(id),
    )
    for (const finding of findings) this.#note(finding)
    this.#checkRefs(good)
    this.#checkCaches()
    this.#nameAffected(good)
    return {
      findings: this.#findings,
      isQuick: this.#options.isQuick === true,
      packs,
      objects,
      bytes: this.#bytes,
      commits: good.size + bad.length,
      wanted: this.#wanted,
      good,
      badCommits: bad,
      cutHistories: cut,
      circles,
      grafts,
    }
  }

  #note(finding: Finding): void {
    this.#findings.push(finding)
  }

  #isOld(place: HeldPath): boolean {
    const { sinceMs } = this.#options
    if (sinceMs === undefined) return false
    return (statPlace(place)?.mtimeMs ?? Infinity) < sinceMs
  }

  #checkPacks(): ScannedPack[] {
    const directory = this.#repository.paths.packs
    const packs: ScannedPack[] = []
    const files = this.#published.packs.map(file => directory.child(file))
    const due = files.filter(place => !this.#isOld(place))
    const totalBytes = due.reduce((sum, place) => sum + sizeOfPlace(place), 0)
    for (const place of files) {
      const file = place.relative
      const name = /\/([0-9a-f]{32})\.pack$/.exec(file)?.[1]
      if (name === undefined) {
        this.#note({
          severity: 'notice',
          subject: 'pack',
          message: `${file} is no pack of this repository`,
          file,
        })
        continue
      }
      const isQuick = this.#options.isQuick === true || this.#isOld(place)
      const pack = scanPack(place, name, {
        isQuick,
        onBytes: count => {
          this.#bytes += count
          this.#options.onProgress?.({
            packs: packs.length,
            totalPacks: files.length,
            bytes: this.#bytes,
            totalBytes,
          })
        },
      })
      packs.push(pack)
      for (const problem of pack.problems)
        this.#note(damageOf('pack', problem, { file }))
      for (const { digest, lengthBytes } of pack.objects)
        this.#stored.set(digest, lengthBytes)
      for (const { digest } of pack.damaged) this.#damaged.add(digest)
    }
    return packs
  }

  /** From here on trees are read also where the indexes fail. */
  #useScanned(packs: readonly ScannedPack[]): void {
    const places = new Map<Digest, Place>()
    for (const { name, objects } of packs)
      for (const object of objects)
        places.set(object.digest, { ...object, pack: name })
    this.#repository.indexes.useScanned(places)
  }

  /** Every entry must lead to an object that a pack holds there. */
  #checkIndexes(packs: readonly ScannedPack[]): void {
    const places = new Map<string, ScannedObject>()
    for (const pack of packs)
      for (const object of [...pack.objects, ...pack.damaged])
        places.set(placeKey(pack.name, object), object)
    const indexed = new Set<Digest>()
    for (const { file, content } of this.#published.indexes) {
      if (content instanceof DendroError) {
        this.#note(damageOf('index', content, { file }))
        continue
      }
      for (const entry of content) {
        indexed.add(entry.digest)
        this.#checkEntry(entry, places, file)
      }
    }
    const left = [...this.#stored.keys()].filter(digest => !indexed.has(digest))
    this.#unindexed = new Set(left)
  }

  #unindexed = new Set<Digest>()

  #checkEntry(
    entry: IndexEntry,
    places: ReadonlyMap<string, ScannedObject>,
    file: string,
  ): void {
    const { digest } = entry
    const found = places.get(placeKey(entry.pack, entry))
    if (
      found?.digest === digest &&
      found.lengthBytes === entry.lengthBytes &&
      found.frameBytes === entry.frameBytes
    )
      return
    this.#note({
      severity: 'damage',
      subject: 'index',
      message: `damaged index ${file}: object ${digestToHex(digest)} is not where it says in pack ${entry.pack}`,
      digest,
      file,
    })
    this.#damaged.add(digest)
  }

  #checkCommits(): { good: Map<Digest, Commit>; bad: Digest[] } {
    const { commits } = this.#repository
    const good = new Map<Digest, Commit>()
    const bad: Digest[] = []
    for (const name of this.#published.commits) {
      const id = digestFromHex(name)
      const file = `commits/${name}`
      if (id === undefined) {
        this.#note({
          severity: 'notice',
          subject: 'commit',
          message: `${file} is no commit of this repository`,
          file,
        })
        continue
      }
      try {
        good.set(id, commits.load(id))
      } catch (error) {
        if (!isDamage(error)) throw error
        bad.push(id)
        this.#note(damageOf('commit', error, { digest: id, file }))
      }
    }
    return { good, bad }
  }

  /** Reads every tree that a commit needs; contents must be stored. */
  #checkReachable(good: ReadonlyMap<Digest, Commit>): number {
    const missing = (object: ReachedObject, message: string): void => {
      this.#wanted.set(object.digest, object)
      this.#note({
        severity: 'damage',
        subject: 'object',
        message,
        digest: object.digest,
      })
    }
    const met = new Map<Digest, ReachedObject>()
    let unindexed = 0
    const reach = new Reachability(this.#repository, {
      onObject: object => {
        const { digest, kind } = object
        met.set(digest, object)
        const hex = digestToHex(digest)
        if (this.#stored.has(digest)) {
          if (this.#unindexed.has(digest)) unindexed++
          const { lengthBytes = this.#stored.get(digest) } = object
          if (lengthBytes !== this.#stored.get(digest))
            this.#note({
              severity: 'damage',
              subject: 'object',
              message: `a file says that ${kind} ${hex} has ${lengthBytes} bytes, but it has ${this.#stored.get(digest)}`,
              digest,
            })
        } else if (this.#damaged.has(digest))
          missing(
            object,
            `${kind} ${hex} is damaged, and there is no good copy`,
          )
        else missing(object, `${kind} ${hex} is missing`)
      },
      onDamage: (digest, error) => {
        const object = met.get(digest) as ReachedObject
        if (!this.#wanted.has(digest)) missing(object, error.message)
      },
    })
    const { sinceMs } = this.#options
    for (const [id, commit] of good) {
      const place = this.#repository.paths.commits.child(digestToHex(id))
      if (sinceMs !== undefined && this.#isOld(place)) continue
      reach.add(commit.root)
    }
    if (unindexed > 0)
      this.#note({
        severity: 'damage',
        subject: 'index',
        message: `${unindexed} objects are stored but no index names them`,
      })
    return reach.objects.size
  }

  #readGrafts(): Grafts | undefined {
    const { grafts } = this.#published
    if (!(grafts instanceof DendroError)) return grafts
    this.#note(damageOf('history', grafts, { file: 'grafts' }))
    return undefined
  }

  #checkRefs(good: ReadonlyMap<Digest, Commit>): void {
    for (const { file, commit } of this.#published.refs) {
      if (commit instanceof DendroError) {
        const isNoRef = commit.code === 'INVALID_REF_NAME'
        const severity = isNoRef ? 'notice' : 'damage'
        this.#note({ ...damageOf('ref', commit, { file }), severity })
      } else if (!good.has(commit))
        this.#note({
          severity: 'damage',
          subject: 'ref',
          message: `${file} names commit ${digestToHex(commit)}, which is missing or damaged`,
          digest: commit,
          file,
        })
    }
  }

  #checkCaches(): void {
    const { cache } = this.#repository.paths
    for (const name of listNamesIfThere(cache)) {
      if (!name.startsWith('stat-')) continue
      if (isWholeCache(cache.child(name))) continue
      this.#note({
        severity: 'damage',
        subject: 'cache',
        message: `damaged cache cache/${name}: its checksum does not match`,
        file: `cache/${name}`,
      })
    }
    const { operations } = this.#repository.paths
    for (const name of new OperationLog(operations).damaged())
      this.#note({
        severity: 'damage',
        subject: 'operation',
        message: `damaged operation operations/${name}: its checksum does not match; it cannot be undone`,
        file: `operations/${name}`,
      })
    for (const digest of listQuarantine(this.#repository.paths))
      if (this.#stored.has(digest))
        this.#note({
          severity: 'notice',
          subject: 'object',
          message: `object ${digestToHex(digest)} is in quarantine, and a good copy is stored`,
          digest,
        })
  }

  /** Says of each damaged object which commits and paths need it. */
  #nameAffected(good: ReadonlyMap<Digest, Commit>): void {
    if (this.#wanted.size === 0) return
    const limit = this.#options.maxPaths ?? DEFAULT_MAX_PATHS
    const bad = new Set(this.#wanted.keys())
    const wanted = { bad, limit, clean: new Set<Digest>() }
    const affected = new Map<Digest, AffectedCommit[]>()
    for (const [commit, { root }] of good)
      for (const [digest, paths] of pathsNeeding(
        this.#repository,
        root,
        wanted,
      ))
        affected.set(digest, [
          ...(affected.get(digest) ?? []),
          { commit, paths },
        ])
    this.#findings.forEach((finding, i) => {
      const touched = affected.get(finding.digest ?? ('' as Digest))
      if (finding.subject === 'object' && touched !== undefined)
        this.#findings[i] = { ...finding, affected: touched }
    })
  }
}

const isWholeCache = (place: HeldPath): boolean => {
  try {
    return isWhole(readPlain(place, MAX_CACHE_BYTES))
  } catch (error) {
    if (isDamage(error)) return false
    throw error
  }
}

const placeKey = (
  pack: string,
  place: { readonly frameOffset: number; readonly offsetBytes: number },
): string => `${pack}:${place.frameOffset}:${place.offsetBytes}`
