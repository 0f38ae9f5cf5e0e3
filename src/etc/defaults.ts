/** The defaults of a commit: the directory that is the lower layer of an /etc. */

import { createHash } from 'node:crypto'
import type { DirectoryObject, FsObject } from '../objects/fs-object.ts'
import type { FileReader } from '../store/object-reader.ts'
import { splitPath } from '../tree/lookup.ts'
import { readContent } from '../tree/read-file.ts'
import { joinRaw } from '../tree/scan.ts'
import { isSameNode } from './etc-node.ts'
import type { EtcNode, Maybe, Piece } from './etc-node.ts'
import type { Defaults } from './plan.ts'

/** The content address of a file: SHA-256 over its bytes, holes as zeros. */
export const contentDigest = (
  pieces: Iterable<Piece>,
  sizeBytes: number,
): string => {
  const hash = createHash('sha256')
  let at = 0
  const zeros = (count: number): void => {
    for (let left = count; left > 0; left -= ZEROS.length)
      hash.update(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
    at += Math.max(count, 0)
  }
  for (const { offsetBytes, bytes } of pieces) {
    zeros(offsetBytes - at)
    hash.update(bytes)
    at += bytes.length
  }
  zeros(sizeBytes - at)
  return hash.digest('hex')
}

const ZEROS = Buffer.alloc(64 * 1024)

export const digestOfBytes = (bytes: Buffer): string =>
  contentDigest([{ offsetBytes: 0, bytes }], bytes.length)

export class CommitDefaults implements Defaults {
  readonly #store: FileReader
  readonly #root: DirectoryObject
  readonly #digests = new Map<FsObject, string>()

  /** `root` is the directory of the defaults in its commit. */
  constructor(store: FileReader, root: DirectoryObject) {
    this.#store = store
    this.#root = root
  }

  /** The object at a raw path; the defaults themselves for the empty one. */
  object(path: string): FsObject | undefined {
    let object: FsObject = this.#root
    for (const name of splitPath(path)) {
      if (object.kind !== 'directory') return undefined
      const entry = this.#store.loadTree(object.tree).get(name)
      if (entry === undefined) return undefined
      object = entry.object
    }
    return object
  }

  get(path: string): Maybe {
    const object = this.object(path)
    return object === undefined ? undefined : this.#node(object)
  }

  /** Names in a directory of the defaults; none where it is no directory. */
  names(path: string): string[] {
    const object = this.object(path)
    return object?.kind === 'directory'
      ? this.#store.loadTree(object.tree).entries.map(({ name }) => name)
      : []
  }

  /** Whether everything below `path` is the same here and there, times apart. */
  isSameBelow(path: string, other: CommitDefaults): boolean {
    const a = this.object(path)
    const b = other.object(path)
    if (a?.kind !== 'directory' || b?.kind !== 'directory')
      return isSameNode(this.get(path), other.get(path))
    if (a.tree === b.tree) return true
    const names = this.names(path)
    const others = other.names(path)
    return (
      names.length === others.length &&
      names.every((name, i) => {
        const child = joinRaw(path, name)
        return (
          others[i] === name &&
          isSameNode(this.get(child), other.get(child)) &&
          this.isSameBelow(child, other)
        )
      })
    )
  }

  #node(object: FsObject): EtcNode {
    const metadata = {
      mode: object.mode & 0o7777,
      uid: object.uid,
      gid: object.gid,
      xattrs: object.xattrs,
    }
    switch (object.kind) {
      case 'file': {
        const store = this.#store
        const digests = this.#digests
        const pieces = function* (): Generator<Piece> {
          for (const { offsetBytes, bytes } of readContent(store, object))
            if (bytes !== undefined) yield { offsetBytes, bytes }
        }
        return {
          kind: 'file',
          ...metadata,
          sizeBytes: object.sizeBytes,
          pieces,
          get digest() {
            let digest = digests.get(object)
            digest ??= contentDigest(pieces(), object.sizeBytes)
            digests.set(object, digest)
            return digest
          },
        }
      }
      case 'symlink':
        return { kind: 'symlink', ...metadata, target: object.target }
      case 'char':
      case 'block':
        return {
          kind: object.kind,
          ...metadata,
          major: object.major,
          minor: object.minor,
        }
      case 'directory':
      case 'fifo':
      case 'socket':
        return { kind: object.kind, ...metadata }
    }
  }
}
