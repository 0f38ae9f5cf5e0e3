/**
 * The layer of an /etc: the upper directory of its overlay, which holds what
 * was changed and nothing else. It is read by descriptors, since whoever is
 * root in the deployment may move and replace things in it meanwhile.
 */

import { createHash } from 'node:crypto'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { joinRaw } from '../tree/scan.ts'
import { checkDepth } from '../tree/walk.ts'
import type { CommitDefaults } from './defaults.ts'
import type { Maybe } from './etc-node.ts'
import { metadataOf, withMetadata } from './etc-node.ts'
import {
  entryOfNode,
  readDirectoryEntry,
  readEntry,
  unlessGone,
} from './layer-entry.ts'
import { splitLast } from './raw-path.ts'
import type { LayerEntry } from './layer-entry.ts'

/**
 * Written by systemd at the end of the first boot of a new /usr, into /etc and
 * /var (systemd-update-done.service(8)). It tells what was done for one version
 * and is no change of anybody's: no version takes it over from another.
 */
export const UPDATE_MARK = '.updated'

/** Every path that a layer says something of; undefined for what it hides. */
export type Changes = Map<string, Maybe>

/** The entries of an upper directory by raw path, wherever they are kept. */
export interface LayerSource {
  entry(path: string): LayerEntry | undefined
  /** Names in a directory; undefined where it is not there any more. */
  names(path: string): readonly string[] | undefined
}

/** The upper directory at `upper` (raw path), until it is closed. */
class LayerDirectory implements LayerSource {
  readonly #upper: string
  readonly #root: DirectoryHandle
  /** The directory that was looked at last. */
  #last: { path: string; handle: DirectoryHandle } | undefined

  constructor(upper: string) {
    this.#upper = upper
    this.#root = DirectoryHandle.open(latin1ToBytes(upper))
  }

  entry(path: string): LayerEntry | undefined {
    if (path === '') return readDirectoryEntry(this.#root)
    const [above, name] = splitLast(path)
    return unlessGone(() =>
      readEntry(this.#at(above), name, () => this.#reopen(above)),
    )
  }

  names(path: string): readonly string[] | undefined {
    const entries = unlessGone(() => this.#at(path).list())
    return entries?.map(({ name }) => name).sort()
  }

  close(): void {
    this.#last?.handle.close()
    this.#root.close()
  }

  #at(path: string): DirectoryHandle {
    if (this.#last?.path === path) return this.#last.handle
    const handle = this.#root.beneath(path)
    this.#last?.handle.close()
    this.#last = { path, handle }
    return handle
  }

  #reopen(path: string): DirectoryHandle {
    const root = DirectoryHandle.open(latin1ToBytes(this.#upper))
    try {
      return root.beneath(path)
    } finally {
      root.close()
    }
  }
}

/** The upper directory that was committed as `tree`. */
export const committedSource = (tree: CommitDefaults): LayerSource => ({
  entry: path => {
    const node = tree.get(path)
    return node === undefined ? undefined : entryOfNode(node)
  },
  names: path => tree.names(path),
})

/** Reads the layer in `upper` (raw path) over `defaults`. */
export const readLayer = (upper: string, defaults: CommitDefaults): Changes => {
  const source = unlessGone(() => new LayerDirectory(upper))
  if (source === undefined) return new Map()
  try {
    return readLayerFrom(source, defaults)
  } finally {
    source.close()
  }
}

export const readLayerFrom = (
  source: LayerSource,
  defaults: CommitDefaults,
): Changes => new LayerReader(source, defaults).read()

type NodeEntry = Extract<LayerEntry, { type: 'node' }>

class LayerReader {
  readonly #source: LayerSource
  readonly #defaults: CommitDefaults
  readonly #changes: Changes = new Map()

  constructor(source: LayerSource, defaults: CommitDefaults) {
    this.#source = source
    this.#defaults = defaults
  }

  read(): Changes {
    const root = this.#source.entry('')
    if (root?.type === 'node') this.#changes.set('', root.node)
    this.#directory('', '', 0)
    return this.#changes
  }

  /** `lower` is the path in the defaults that shows through, if any does. */
  #directory(path: string, lower: string | undefined, depth: number): void {
    checkDepth(depth)
    const names = this.#source.names(path)
    if (names === undefined) {
      this.#changes.delete(path)
      return
    }
    for (const name of names)
      if (path !== '' || name !== UPDATE_MARK)
        this.#entry(path, name, lower, depth)
    if (lower === path) return
    const here = new Set(names)
    const through = new Set(
      lower === undefined ? [] : this.#defaults.names(lower),
    )
    for (const name of through)
      if (!here.has(name))
        this.#showThrough(joinRaw(path, name), joinRaw(lower as string, name))
    for (const name of this.#defaults.names(path))
      if (!here.has(name) && !through.has(name))
        this.#changes.set(joinRaw(path, name), undefined)
  }

  #entry(
    directory: string,
    name: string,
    lower: string | undefined,
    depth: number,
  ): void {
    const path = joinRaw(directory, name)
    const entry = this.#source.entry(path)
    if (entry === undefined) return
    if (entry.type === 'whiteout') {
      this.#changes.set(path, undefined)
      return
    }
    this.#changes.set(path, this.#withContent(entry, name, lower))
    if (entry.node.kind !== 'directory') return
    this.#directory(path, this.#lowerOf(entry, name, lower), depth + 1)
  }

  #withContent(
    { node, isMetacopy, redirect }: NodeEntry,
    name: string,
    lower: string | undefined,
  ): Maybe {
    if (!isMetacopy) return node
    const from = redirectedTo(redirect, name, lower)
    const below = from === undefined ? undefined : this.#defaults.get(from)
    return below?.kind === 'file' ? withMetadata(below, node) : node
  }

  #lowerOf(
    { isOpaque, redirect }: NodeEntry,
    name: string,
    lower: string | undefined,
  ): string | undefined {
    if (isOpaque) return undefined
    const below = redirectedTo(redirect, name, lower)
    return below !== undefined &&
      this.#defaults.object(below)?.kind === 'directory'
      ? below
      : undefined
  }

  /** What a redirected directory shows of another place is mine, here. */
  #showThrough(path: string, lower: string): void {
    this.#changes.set(path, this.#defaults.get(lower))
    for (const name of this.#defaults.names(lower))
      this.#showThrough(joinRaw(path, name), joinRaw(lower, name))
  }
}

/** The path in the defaults of what is below a name, wherever it is redirected. */
const redirectedTo = (
  redirect: string | undefined,
  name: string,
  lower: string | undefined,
): string | undefined => {
  if (redirect?.startsWith('/') === true) return redirect.slice(1)
  return lower === undefined ? undefined : joinRaw(lower, redirect ?? name)
}

/** One line that is equal exactly for equal nodes. */
export const nodeText = (node: Maybe): string => {
  if (node === undefined) return 'absent'
  const content =
    node.kind === 'file'
      ? node.digest
      : node.kind === 'symlink'
        ? node.target
        : node.kind === 'char' || node.kind === 'block'
          ? `${node.major}:${node.minor}`
          : ''
  return JSON.stringify([node.kind, Object.values(metadataOf(node)), content])
}

/** Changes when anything in the layer does. */
export const layerFingerprint = (changes: Changes): string => {
  const hash = createHash('sha256')
  for (const [path, node] of [...changes].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${JSON.stringify(path)} ${nodeText(node)}\n`)
  return hash.digest('hex')
}
