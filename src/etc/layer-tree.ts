/**
 * Writes a layer from its names in path order: directories are made on the way
 * to what is in them, held by descriptor, and durable once they are left.
 */

import type { EtcNode, Maybe } from './etc-node.ts'
import { makeEtcNode, setMetadata } from './node-writer.ts'
import { ancestorsOf, splitLast } from './raw-path.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { DirectoryStack } from '../system/directory-stack.ts'
import { syncDirectory } from '../system/disk.ts'

/** Defaults without a directory of their own, of a system without /etc. */
export const PLAIN_DIRECTORY: EtcNode = {
  kind: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  xattrs: [],
}

export class LayerTree {
  readonly #root: DirectoryHandle
  readonly #stack: DirectoryStack
  readonly #nodeAt: (path: string) => Maybe
  /** Names from the root to where the walk stands. */
  #here: string[] = []

  /**
   * Makes the directory `name` of `parent`. `nodeAt` says what a directory of
   * the layer is to be, by its path.
   */
  constructor(
    parent: DirectoryHandle,
    name: string,
    nodeAt: (path: string) => Maybe,
  ) {
    this.#nodeAt = nodeAt
    makeEtcNode(parent, name, nodeAt('') ?? PLAIN_DIRECTORY)
    this.#root = parent.child(name)
    this.#stack = new DirectoryStack(this.#root)
  }

  /** Has `write` make what stands at `path`; paths come in order. */
  entry(
    path: string,
    write: (directory: DirectoryHandle, name: string) => void,
  ): void {
    const [above, name] = splitLast(path)
    this.#goTo(above)
    write(this.#stack.top, name)
  }

  /** Makes the directory `path` where nothing has made it yet. */
  directory(path: string): void {
    this.#goTo(path)
  }

  /** All of it is durable, but for the name of the layer. */
  finish(): void {
    this.#goTo('')
    this.#complete(this.#root, '')
  }

  close(): void {
    this.#stack.close()
    this.#root.close()
  }

  #goTo(path: string): void {
    const wanted = path === '' ? [] : path.split('/')
    while (this.#here.some((name, i) => wanted[i] !== name)) this.#leave()
    for (const directory of [...ancestorsOf(path), path])
      if (directory.split('/').length > this.#here.length && directory !== '')
        this.#enter(directory)
  }

  #enter(path: string): void {
    const [, name] = splitLast(path)
    const directory = this.#stack.top
    makeEtcNode(directory, name, this.#nodeAt(path) ?? PLAIN_DIRECTORY)
    this.#stack.enter(name)
    this.#here.push(name)
  }

  #leave(): void {
    this.#complete(this.#stack.top, this.#here.join('/'))
    this.#stack.leave()
    this.#here.pop()
  }

  /** Making entries has changed nothing but the times; names become durable. */
  #complete(directory: DirectoryHandle, path: string): void {
    const node = this.#nodeAt(path)
    if (node !== undefined) setMetadata(directory.itself, node)
    syncDirectory(directory.itself)
  }
}

/** Has `work` do something in the directory of `path` (raw), and with its name. */
export const inParent = <T>(
  path: string,
  work: (parent: DirectoryHandle, name: string) => T,
): T => {
  const slash = path.lastIndexOf('/')
  const above = slash < 0 ? '.' : path.slice(0, slash + 1)
  const parent = DirectoryHandle.open(Buffer.from(above, 'latin1'))
  try {
    return work(parent, path.slice(slash + 1))
  } finally {
    parent.close()
  }
}
