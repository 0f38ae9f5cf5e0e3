/**
 * The layer of an /etc: the upper directory of its overlay, which holds what
 * was changed and nothing else.
 *
 * Format: Documentation/filesystems/overlayfs.rst of the kernel. A character
 * device 0:0 hides the name below; a directory with `trusted.overlay.opaque`
 * hides all that is below it; one with `trusted.overlay.redirect` shows what is
 * below another name.
 */

import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
} from '../system/files.ts'
import { createHash } from 'node:crypto'
import { errnoOf } from '../errors.ts'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { kindOfMode } from '../objects/fs-object.ts'
import type { Xattr } from '../objects/fs-object.ts'
import { lstatBytes } from '../system/file-status.ts'
import type { FileStatus } from '../system/file-status.ts'
import { tryShim } from '../system/native.ts'
import { readXattrs } from '../system/xattr.ts'
import { joinRaw } from '../tree/scan.ts'
import type { CommitDefaults } from './defaults.ts'
import { contentDigest } from './defaults.ts'
import type { EtcNode, Maybe, Piece } from './etc-node.ts'
import { metadataOf, withMetadata } from './etc-node.ts'

const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./
const PIECE_BYTES = 256 * 1024
/** Files up to this size are read at once: /etc may change under the reader. */
const HELD_BYTES = 256 * 1024
const SEEK_DATA = 3
const BLOCK_BYTES = 512

/** An entry of an upper directory as overlayfs reads it. */
export type LayerEntry =
  | { readonly type: 'whiteout' }
  | {
      readonly type: 'node'
      readonly node: EtcNode
      readonly isOpaque: boolean
      readonly redirect: string | undefined
    }

/** Opens what was a regular file a moment ago: never a link, never waiting. */
const openFile = (full: string): number =>
  openSync(
    latin1ToBytes(full),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  )

const readSmall = (full: string): Buffer => {
  const fd = openFile(full)
  try {
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** The bytes of the file at `full` (raw path), without its holes. */
const filePieces = (full: string, status: FileStatus) =>
  function* (): Generator<Piece> {
    const fd = openFile(full)
    const isSparse = status.blocks * BLOCK_BYTES < status.sizeBytes
    try {
      for (let at = 0; at < status.sizeBytes;) {
        if (isSparse) {
          const data = tryShim()?.lseek(fd, at, SEEK_DATA) ?? at
          if (data < 0) return
          at = data
        }
        const bytes = Buffer.allocUnsafe(PIECE_BYTES)
        const count = readSync(fd, bytes, 0, PIECE_BYTES, at)
        if (count === 0) return
        yield { offsetBytes: at, bytes: bytes.subarray(0, count) }
        at += count
      }
    } finally {
      closeSync(fd)
    }
  }

/** Reads one file system entry at `full` (raw path). */
const readNode = (
  full: string,
  status: FileStatus,
  xattrs: readonly Xattr[],
): EtcNode => {
  const kind = kindOfMode(status.mode) ?? 'socket'
  const metadata = {
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    xattrs,
  }
  switch (kind) {
    case 'file': {
      if (status.sizeBytes <= HELD_BYTES) {
        const bytes = readSmall(full)
        const piece = { offsetBytes: 0, bytes }
        let known: string | undefined
        return {
          kind,
          ...metadata,
          sizeBytes: bytes.length,
          pieces: () => [piece],
          get digest() {
            return (known ??= contentDigest([piece], bytes.length))
          },
        }
      }
      const pieces = filePieces(full, status)
      let digest: string | undefined
      return {
        kind,
        ...metadata,
        sizeBytes: status.sizeBytes,
        pieces,
        get digest() {
          return (digest ??= contentDigest(pieces(), status.sizeBytes))
        },
      }
    }
    case 'symlink':
      return {
        kind,
        ...metadata,
        target: readlinkSync(latin1ToBytes(full), 'latin1'),
      }
    case 'char':
    case 'block':
      return {
        kind,
        ...metadata,
        major: status.rdevMajor,
        minor: status.rdevMinor,
      }
    case 'directory':
    case 'fifo':
    case 'socket':
      return { kind, ...metadata }
  }
}

/** What stands at `full` (raw path), or undefined. */
export const readEntry = (full: string): LayerEntry | undefined =>
  unlessGone(() => readEntryAt(full))

/** Undefined when it, or what it is in, is not there, or not any more. */
const unlessGone = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    const errno = errnoOf(error)
    // ELOOP: a link came in the place of a file.
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP')
      return undefined
    throw error
  }
}

const readEntryAt = (full: string): LayerEntry => {
  const status = lstatBytes(latin1ToBytes(full))
  const isWhiteout =
    kindOfMode(status.mode) === 'char' &&
    status.rdevMajor === 0 &&
    status.rdevMinor === 0
  if (isWhiteout) return { type: 'whiteout' }
  const xattrs = readXattrs(latin1ToBytes(full))
  const own = xattrs.filter(({ name }) => !OVERLAY_XATTR.test(name))
  return asEntry(readNode(full, status, own), xattrs)
}

/** What overlayfs makes of a node with these xattrs, its own among them. */
const asEntry = (node: EtcNode, xattrs: readonly Xattr[]): LayerEntry => {
  const value = (name: string) =>
    xattrs.find(
      xattr =>
        OVERLAY_XATTR.test(xattr.name) &&
        xattr.name.endsWith(`.overlay.${name}`),
    )?.value
  return {
    type: 'node',
    node,
    isOpaque: value('opaque') === 'y',
    redirect: value('redirect'),
  }
}

/** Every path that a layer says something of; undefined for what it hides. */
export type Changes = Map<string, Maybe>

/** The entries of an upper directory by raw path, wherever they are kept. */
export interface LayerSource {
  entry(path: string): LayerEntry | undefined
  /** Names in a directory; undefined where it is not there any more. */
  names(path: string): readonly string[] | undefined
}

/** The upper directory at `upper` (raw path). */
const directorySource = (upper: string): LayerSource => {
  const full = (path: string) => (path === '' ? upper : `${upper}/${path}`)
  return {
    entry: path => readEntry(full(path)),
    names: path =>
      unlessGone(() =>
        readdirSync(latin1ToBytes(full(path)), { encoding: 'latin1' }).sort(),
      ),
  }
}

/** The upper directory that was committed as `tree`. */
export const committedSource = (tree: CommitDefaults): LayerSource => ({
  entry: path => {
    const node = tree.get(path)
    if (node === undefined) return undefined
    const isWhiteout =
      node.kind === 'char' && node.major === 0 && node.minor === 0
    if (isWhiteout) return { type: 'whiteout' }
    const own = node.xattrs.filter(({ name }) => !OVERLAY_XATTR.test(name))
    return asEntry(withMetadata(node, { ...node, xattrs: own }), node.xattrs)
  },
  names: path => tree.names(path),
})

/** Reads the layer in `upper` (raw path) over `defaults`. */
export const readLayer = (upper: string, defaults: CommitDefaults): Changes =>
  readLayerFrom(directorySource(upper), defaults)

export const readLayerFrom = (
  source: LayerSource,
  defaults: CommitDefaults,
): Changes => new LayerReader(source, defaults).read()

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
    this.#directory('', '')
    return this.#changes
  }

  /** `lower` is the path in the defaults that shows through, if any does. */
  #directory(path: string, lower: string | undefined): void {
    const names = this.#source.names(path)
    if (names === undefined) {
      this.#changes.delete(path)
      return
    }
    for (const name of names) this.#entry(path, name, lower)
    if (lower === path) return
    const here = new Set(names)
    const through = lower === undefined ? [] : this.#defaults.names(lower)
    for (const name of through)
      if (!here.has(name))
        this.#showThrough(joinRaw(path, name), joinRaw(lower as string, name))
    for (const name of this.#defaults.names(path))
      if (!here.has(name) && !through.includes(name))
        this.#changes.set(joinRaw(path, name), undefined)
  }

  #entry(directory: string, name: string, lower: string | undefined): void {
    const path = joinRaw(directory, name)
    const entry = this.#source.entry(path)
    if (entry === undefined) return
    if (entry.type === 'whiteout') {
      this.#changes.set(path, undefined)
      return
    }
    this.#changes.set(path, entry.node)
    if (entry.node.kind !== 'directory') return
    const below = this.#lowerOf(entry, name, lower)
    this.#directory(path, below)
  }

  #lowerOf(
    entry: Extract<LayerEntry, { type: 'node' }>,
    name: string,
    lower: string | undefined,
  ): string | undefined {
    if (entry.isOpaque) return undefined
    const { redirect } = entry
    if (redirect?.startsWith('/') === true) return redirect.slice(1)
    if (lower === undefined) return undefined
    const below = joinRaw(lower, redirect ?? name)
    return this.#defaults.object(below)?.kind === 'directory'
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
