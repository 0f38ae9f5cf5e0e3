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
import { EINVAL, ENOTDIR, ESTALE, FUSE_ROOT_ID } from '../fuse/layout.ts'
import type { Invalidation } from '../fuse/notify.ts'
import { digestOf } from '../objects/digest.ts'
import type { Digest } from '../objects/digest.ts'
import { S_IFDIR, S_IFLNK } from '../objects/fs-object.ts'
import { joinRaw } from '../tree/scan.ts'
import type { Repository } from '../store/repository.ts'
import { addDots, digestKey } from './attributes.ts'
import { NODE_VIRTUAL } from './node-table.ts'
import type { NodeTable } from './node-table.ts'
import {
  COMMITS,
  compareSnapshots,
  findViewNode,
  takeViewSnapshot,
} from './view-names.ts'
import type { ViewDirectory, ViewNode } from './view-names.ts'

const FIRST_COOKIE = 2
const NO_CONTAINER = '\0'.repeat(32) as Digest

interface VirtualNode {
  readonly path: string
  readonly node: ViewNode
}

export class ViewTop {
  readonly #repository: Repository
  readonly #nodes: NodeTable
  readonly #virtual = new Map<number, VirtualNode>()
  #snapshot: ViewDirectory
  #commits: ReadonlySet<string>
  #timeSec: number

  constructor(repository: Repository, nodes: NodeTable) {
    this.#repository = repository
    this.#nodes = nodes
    this.#snapshot = takeViewSnapshot(repository)
    this.#commits = new Set(repository.commits.listHex())
    this.#timeSec = Math.floor(Date.now() / 1000)
  }

  pathOf(nodeId: number): string {
    return nodeId === FUSE_ROOT_ID ? '' : this.#known(nodeId).path
  }

  lookup(directory: string, name: string): Entry | undefined {
    const path = joinRaw(directory, name)
    const node = findViewNode(this.#snapshot, path)
    return node === undefined ? undefined : this.#acquire(path, node)
  }

  attributes(nodeId: number): Attributes {
    if (nodeId === FUSE_ROOT_ID) return this.#attributesOf('', this.#snapshot)
    const { path, node } = this.#known(nodeId)
    return this.#attributesOf(path, node)
  }

  readlink(nodeId: number): Buffer {
    const { node } = this.#known(nodeId)
    if (node.kind !== 'link') throw new FuseErrno(EINVAL)
    return Buffer.from(node.target, 'latin1')
  }

  readdir(nodeId: number, cookie: number, sink: DirectorySink): void {
    const directory = this.pathOf(nodeId)
    const node = findViewNode(this.#snapshot, directory)
    if (node?.kind !== 'directory') throw new FuseErrno(ENOTDIR)
    if (!addDots(cookie, sink, this.attributes(nodeId))) return
    const names = [...node.children.keys()].sort()
    for (let i = Math.max(0, cookie - FIRST_COOKIE); i < names.length; i++) {
      const name = names[i] as string
      const child = node.children.get(name) as ViewNode
      const path = joinRaw(directory, name)
      const { mode, inoHigh, inoLow } = this.#attributesOf(path, child)
      const type = mode >>> 12
      const added = sink.add(
        name,
        i + FIRST_COOKIE + 1,
        type,
        inoHigh,
        inoLow,
        () => this.#acquire(path, child),
      )
      if (!added) return
    }
  }

  statistics(): FileSystemStatistics {
    let blocks = 0
    let files = 0
    for (const id of this.#repository.commits.list()) {
      const { summary } = this.#repository.commits.load(id)
      blocks += Math.ceil(summary.logicalBytes / 4096)
      files += summary.files + summary.directories + summary.others
    }
    return { blocks, files }
  }

  forget(nodeId: number): void {
    this.#virtual.delete(nodeId)
  }

  refresh(): Invalidation[] {
    const before = this.#snapshot
    this.#snapshot = takeViewSnapshot(this.#repository)
    const commits = new Set(this.#repository.commits.listHex())
    const gone = [...this.#commits].filter(hex => !commits.has(hex))
    const changes = compareSnapshots(before, this.#snapshot)
    if (gone.length > 0 || commits.size !== this.#commits.size)
      changes.push({ directory: COMMITS, names: gone })
    this.#commits = commits
    if (changes.length > 0) this.#timeSec = Math.floor(Date.now() / 1000)
    return changes.flatMap(({ directory, names }) => {
      const parent = this.#directoryNode(directory)
      if (parent === undefined) return []
      return [
        ...names.map((name): Invalidation => ({ kind: 'entry', parent, name })),
        { kind: 'inode', nodeId: parent } as const,
      ]
    })
  }

  /** The node of a directory of the view, if the kernel knows it. */
  #directoryNode(path: string): number | undefined {
    if (path === '') return FUSE_ROOT_ID
    return this.#nodes.find(NODE_VIRTUAL, 0, digestKey(identityOf(path, '')))
  }

  #known(nodeId: number): VirtualNode {
    const known = this.#virtual.get(nodeId)
    if (known === undefined) throw new FuseErrno(ESTALE)
    return known
  }

  #acquire(path: string, node: ViewNode): Entry {
    const target = node.kind === 'link' ? `${node.target}:${node.timeSec}` : ''
    const key = digestKey(identityOf(path, target))
    const nodeId = this.#nodes.acquire(NODE_VIRTUAL, 0, key, NO_CONTAINER, 0)
    this.#virtual.set(nodeId, { path, node })
    return {
      nodeId,
      generation: this.#nodes.generationOf(nodeId),
      attributes: this.#attributesOf(path, node),
    }
  }

  #attributesOf(path: string, node: ViewNode): Attributes {
    const isLink = node.kind === 'link'
    const target = isLink ? `${node.target}:${node.timeSec}` : ''
    const key = digestKey(identityOf(path, target))
    return {
      inoHigh: path === '' ? 0 : (key[1] as number),
      inoLow: path === '' ? 1 : (key[0] as number),
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

/** Tells the view's own names apart, and links by where they lead. */
const identityOf = (path: string, target: string): Digest =>
  digestOf(Buffer.from(`view\0${path}\0${target}`, 'latin1'))
