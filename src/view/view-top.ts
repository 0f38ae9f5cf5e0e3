/**
 * The top of the view: directories and links that are not in any commit.
 *
 * They change when commits come and refs move; `refresh` says what the kernel
 * must then forget. A link whose target changes gets another node, so a cached
 * target is never wrong.
 */

import type {
  Attributes,
  DirectorySink,
  Entry,
  FileSystemStatistics,
} from '../fuse/handler.ts'
import { FuseErrno } from '../fuse/handler.ts'
import { FUSE_ROOT_ID } from '../fuse/layout.ts'
import { EINVAL, ENOTDIR, ESTALE } from '../system/errno.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { S_IFDIR, S_IFLNK } from '../objects/fs-object.ts'
import { joinRaw } from '../tree/scan.ts'
import type { Repository } from '../store/repository.ts'
import type { Presentation } from './attributes.ts'
import { addDots, FIRST_COOKIE } from './attributes.ts'
import { digestKey, fileInode, foldInode } from './node-identity.ts'
import type { InodeNumber } from './node-identity.ts'
import { NODE_VIRTUAL } from './node-kind.ts'
import type { NodeTable } from './node-table.ts'
import {
  COMMITS,
  compareViewNames,
  findViewNode,
  readViewNames,
} from './view-names.ts'
import type { ViewDirectory, ViewNode } from './view-names.ts'

const MAX_STALE_LINES = 10_000
const NO_CONTAINER = new Uint8Array(32)

interface VirtualNode {
  readonly path: string
  readonly node: ViewNode
}

/** A node of the view as it is written down for the next server. */
export interface VirtualRecord {
  readonly nodeId: number
  readonly generation: number
  readonly path: string
  /** Absent for a directory. */
  readonly link?: { readonly target: string; readonly timeSec: number }
}

/** Where the view's own nodes are kept beyond this process. */
export interface VirtualJournal {
  append(record: VirtualRecord): void
  /** What was appended, and the time the view's directories show. */
  load(): { readonly timeSec: number; readonly records: VirtualRecord[] }
  /** Replaces everything. */
  rewrite(timeSec: number, records: readonly VirtualRecord[]): void
}

export class ViewTop {
  readonly #repository: Repository
  readonly #nodes: NodeTable
  readonly #journal: VirtualJournal | undefined
  readonly #virtual = new Map<number, VirtualNode>()
  /** Lines of the journal since it was written anew. */
  #appended = 0
  /** Names that the kernel may know wrongly since a takeover. */
  #unsure: Invalidation[] = []
  #names: ViewDirectory
  #commits: ReadonlySet<string>
  readonly #presentation: Presentation
  #timeSec: number

  constructor(
    repository: Repository,
    nodes: NodeTable,
    {
      journal,
      presentation,
    }: {
      readonly journal: VirtualJournal | undefined
      readonly presentation: Presentation
    },
  ) {
    this.#repository = repository
    this.#nodes = nodes
    this.#journal = journal
    this.#presentation = presentation
    this.#names = readViewNames(repository)
    this.#commits = new Set(repository.commits.listHex())
    this.#timeSec = Math.floor(Date.now() / 1000)
    this.restore()
  }

  /**
   * Takes up the nodes that another server gave to the kernel. What became of
   * their names meanwhile is not known: the kernel is told to ask again.
   */
  restore(): void {
    if (this.#journal === undefined) return
    const { timeSec, records } = this.#journal.load()
    if (timeSec > 0) this.#timeSec = timeSec
    this.#virtual.clear()
    this.#unsure = []
    const kept: VirtualRecord[] = []
    for (const record of records) {
      const { nodeId, generation, path, link } = record
      if (this.#nodes.kindOf(nodeId) !== NODE_VIRTUAL) continue
      if (this.#nodes.generationOf(nodeId) !== generation) continue
      const node: ViewNode =
        link === undefined
          ? { kind: 'directory', children: new Map() }
          : { kind: 'link', ...link }
      this.#virtual.set(nodeId, { path, node })
      kept.push(record)
    }
    this.#journal.rewrite(this.#timeSec, kept)
    if (records.length === 0) return
    this.#unsure.push({ kind: 'inode', nodeId: FUSE_ROOT_ID })
    for (const { nodeId, path, link } of kept) {
      const now = findViewNode(this.#names, path)
      const isSame =
        link === undefined
          ? now?.kind === 'directory'
          : now?.kind === 'link' &&
            now.target === link.target &&
            now.timeSec === link.timeSec
      const slash = path.lastIndexOf('/')
      const parent = this.directoryNode(path.slice(0, Math.max(0, slash)))
      const name = path.slice(slash + 1)
      if (!isSame && parent !== undefined)
        this.#unsure.push({ kind: 'entry', parent, name })
      if (link === undefined) this.#unsure.push({ kind: 'inode', nodeId })
    }
  }

  pathOf(nodeId: number): string {
    return nodeId === FUSE_ROOT_ID ? '' : this.#known(nodeId).path
  }

  lookup(directory: string, name: string): Entry | undefined {
    const path = joinRaw(directory, name)
    const node = findViewNode(this.#names, path)
    return node === undefined ? undefined : this.#acquire(path, node)
  }

  attributes(nodeId: number): Attributes {
    if (nodeId === FUSE_ROOT_ID) return this.#attributesOf('', this.#names)
    const { path, node } = this.#known(nodeId)
    return this.#attributesOf(path, node)
  }

  readlink(nodeId: number): Buffer {
    const { node } = this.#known(nodeId)
    if (node.kind !== 'link') throw FuseErrno.of(EINVAL)
    return Buffer.from(node.target, 'latin1')
  }

  readdir(nodeId: number, cookie: number, sink: DirectorySink): void {
    const directory = this.pathOf(nodeId)
    const node = findViewNode(this.#names, directory)
    if (node?.kind !== 'directory') throw FuseErrno.of(ENOTDIR)
    if (!addDots(cookie, sink, this.attributes(nodeId))) return
    const names = [...node.children.keys()].sort()
    for (let i = Math.max(0, cookie - FIRST_COOKIE); i < names.length; i++) {
      const name = names[i] as string
      const child = node.children.get(name) as ViewNode
      const path = joinRaw(directory, name)
      const listed = this.#attributesOf(path, child)
      const added = sink.add(name, i + FIRST_COOKIE + 1, listed, () =>
        this.#acquire(path, child),
      )
      if (!added) return
    }
  }

  statistics(): FileSystemStatistics {
    let blocks = 0
    let files = 0
    for (const { summary } of this.#repository.commits.readable()) {
      blocks += Math.ceil(summary.logicalBytes / 4096)
      files += summary.files + summary.directories + summary.others
    }
    return { blocks, files }
  }

  forget(nodeId: number): void {
    this.#virtual.delete(nodeId)
  }

  refresh(): Invalidation[] {
    const before = this.#names
    this.#names = readViewNames(this.#repository)
    const commits = new Set(this.#repository.commits.listHex())
    const gone = [...this.#commits].filter(hex => !commits.has(hex))
    const changes = compareViewNames(before, this.#names)
    if (gone.length > 0 || commits.size !== this.#commits.size)
      changes.push({ directory: COMMITS, names: gone })
    this.#commits = commits
    if (changes.length > 0) {
      this.#timeSec = Math.floor(Date.now() / 1000)
      this.#rewriteJournal()
    }
    const unsure = this.#unsure
    this.#unsure = []
    const told = changes.flatMap(({ directory, names }) => {
      const parent = this.directoryNode(directory)
      if (parent === undefined) return []
      return [
        ...names.map((name): Invalidation => ({ kind: 'entry', parent, name })),
        { kind: 'inode', nodeId: parent } as const,
      ]
    })
    return [...unsure, ...told]
  }

  #rewriteJournal(): void {
    this.#appended = 0
    this.#journal?.rewrite(this.#timeSec, this.#records())
  }

  #records(): VirtualRecord[] {
    return [...this.#virtual].map(([nodeId, known]) =>
      recordOf(nodeId, this.#nodes.generationOf(nodeId), known),
    )
  }

  /** The node of a directory of the view, if the kernel knows it. */
  directoryNode(path: string): number | undefined {
    if (path === '') return FUSE_ROOT_ID
    return this.#nodes.find(NODE_VIRTUAL, 0, digestKey(identityOf(path, '')))
  }

  #known(nodeId: number): VirtualNode {
    const known = this.#virtual.get(nodeId)
    if (known === undefined) throw FuseErrno.of(ESTALE)
    return known
  }

  #acquire(path: string, node: ViewNode): Entry {
    const target = node.kind === 'link' ? `${node.target}:${node.timeSec}` : ''
    const key = digestKey(identityOf(path, target))
    const nodeId = this.#nodes.acquire(
      { kind: NODE_VIRTUAL, place: 0, keys: key, keyAt: 0 },
      NO_CONTAINER,
      0,
    )
    const generation = this.#nodes.generationOf(nodeId)
    if (!this.#virtual.has(nodeId)) {
      this.#virtual.set(nodeId, { path, node })
      this.#journal?.append(recordOf(nodeId, generation, { path, node }))
      // Nodes come and go: the journal must not grow with time.
      if (++this.#appended > MAX_STALE_LINES + this.#virtual.size)
        this.#rewriteJournal()
    }
    return {
      nodeId,
      generation,
      attributes: this.#attributesOf(path, node),
    }
  }

  #inode(path: string, target: string): InodeNumber {
    if (path === '') return { inoHigh: 0, inoLow: FUSE_ROOT_ID }
    const inode = fileInode(digestKey(identityOf(path, target)))
    return this.#presentation.inode32 ? foldInode(inode) : inode
  }

  #attributesOf(path: string, node: ViewNode): Attributes {
    const isLink = node.kind === 'link'
    const target = isLink ? `${node.target}:${node.timeSec}` : ''
    return {
      ...this.#inode(path, target),
      mode: isLink ? S_IFLNK | 0o777 : S_IFDIR | 0o555,
      nlink: isLink ? 1 : 2,
      uid: 0,
      gid: 0,
      sizeBytes: isLink ? node.target.length : 4096,
      blocks: 0,
      mtimeSec: isLink ? node.timeSec : this.#timeSec,
      mtimeNsec: 0,
      rdevMajor: 0,
      rdevMinor: 0,
    }
  }
}

const recordOf = (
  nodeId: number,
  generation: number,
  { path, node }: VirtualNode,
): VirtualRecord => ({
  nodeId,
  generation,
  path,
  ...(node.kind === 'link'
    ? { link: { target: node.target, timeSec: node.timeSec } }
    : {}),
})

/** Tells the view's own names apart, and links by where they lead. */
const identityOf = (path: string, target: string): Digest =>
  digestOf(Buffer.from(`view\0${path}\0${target}`, 'latin1'))
