/**
 * What stands at one path of an /etc: enough to compare it, show it, merge it
 * and write it again. Pure; content is read when somebody asks for it.
 *
 * Modification times are not part of it: nobody means anything by them, and
 * every copy-up changes those of directories.
 */

import type { Xattr } from '../objects/fs-object.ts'

export interface EtcMetadata {
  /** Permission bits: 0 to 07777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Sorted by name; those of overlayfs itself are not among them. */
  readonly xattrs: readonly Xattr[]
}

/** A run of bytes of a file; between runs there are holes. */
export interface Piece {
  readonly offsetBytes: number
  readonly bytes: Buffer
}

export interface EtcFile extends EtcMetadata {
  readonly kind: 'file'
  readonly sizeBytes: number
  /** Equal exactly where the bytes are; computed at the first asking. */
  readonly digest: string
  pieces(): Iterable<Piece>
}

export interface EtcDirectory extends EtcMetadata {
  readonly kind: 'directory'
}

export interface EtcSymlink extends EtcMetadata {
  readonly kind: 'symlink'
  /** Raw bytes as latin1 text. */
  readonly target: string
}

export interface EtcDevice extends EtcMetadata {
  readonly kind: 'char' | 'block'
  readonly major: number
  readonly minor: number
}

export interface EtcEndpoint extends EtcMetadata {
  readonly kind: 'fifo' | 'socket'
}

export type EtcNode =
  EtcFile | EtcDirectory | EtcSymlink | EtcDevice | EtcEndpoint

/** A node, or nothing at that path. */
export type Maybe<T = EtcNode> = T | undefined

const xattrText = (node: EtcNode): string =>
  node.xattrs.map(({ name, value }) => `${name}=${value}`).join('\0')

/** Metadata fields by name, as text that can be compared. */
export const metadataOf = (
  node: EtcNode,
): Readonly<Record<string, string>> => ({
  mode: node.mode.toString(8).padStart(4, '0'),
  owner: String(node.uid),
  group: String(node.gid),
  xattrs: xattrText(node),
})

/** What is no metadata: the kind and all that hangs on it. */
export const hasSameContent = (a: EtcNode, b: EtcNode): boolean => {
  switch (a.kind) {
    case 'file':
      return (
        b.kind === 'file' &&
        a.sizeBytes === b.sizeBytes &&
        a.digest === b.digest
      )
    case 'symlink':
      return b.kind === 'symlink' && a.target === b.target
    case 'char':
    case 'block':
      return a.kind === b.kind && a.major === b.major && a.minor === b.minor
    case 'directory':
    case 'fifo':
    case 'socket':
      return a.kind === b.kind
  }
}

/** The metadata fields that differ. */
export const changedMetadata = (a: EtcNode, b: EtcNode): string[] => {
  const before = metadataOf(a)
  // A symlink has no mode of its own.
  return Object.entries(metadataOf(b))
    .filter(([name]) => name !== 'mode' || b.kind !== 'symlink')
    .filter(([name, value]) => before[name] !== value)
    .map(([name]) => name)
}

/** Equal for whoever looks at this path alone: a directory without what is in it. */
export const isSameNode = (a: Maybe, b: Maybe): boolean =>
  a === undefined || b === undefined
    ? a === b
    : hasSameContent(a, b) && changedMetadata(a, b).length === 0

const MAX_WHOLE_BYTES = 64 * 1024 * 1024

/** The whole content; undefined for more than can be merged anyway. */
export const readWhole = (file: EtcFile): Buffer | undefined => {
  if (file.sizeBytes > MAX_WHOLE_BYTES) return undefined
  const whole = Buffer.alloc(file.sizeBytes)
  for (const { offsetBytes, bytes } of file.pieces())
    bytes.copy(whole, offsetBytes)
  return whole
}

/** A file of these bytes with the metadata of `like`. */
export const fileOf = (
  bytes: Buffer,
  digest: string,
  like: EtcNode,
): EtcFile => ({
  kind: 'file',
  mode: like.mode,
  uid: like.uid,
  gid: like.gid,
  xattrs: like.xattrs,
  sizeBytes: bytes.length,
  digest,
  pieces: () => [{ offsetBytes: 0, bytes }],
})

/** The same thing with other metadata; the content is still read late. */
export const withMetadata = (node: EtcNode, metadata: EtcMetadata): EtcNode => {
  const { mode, uid, gid, xattrs } = metadata
  if (node.kind !== 'file') return { ...node, mode, uid, gid, xattrs }
  return {
    kind: 'file',
    mode,
    uid,
    gid,
    xattrs,
    sizeBytes: node.sizeBytes,
    get digest() {
      return node.digest
    },
    pieces: () => node.pieces(),
  }
}
