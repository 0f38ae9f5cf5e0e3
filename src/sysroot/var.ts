/**
 * /var, which all deployments of an OS share and no deployment replaces: what
 * a new commit has there and the one before had not is added, and nothing that
 * exists is touched.
 */

import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { UPDATE_MARK } from '../etc/layer.ts'
import { makeEtcNode } from '../etc/node-writer.ts'
import { kindOfMode } from '../objects/fs-object.ts'
import type { Repository } from '../store/repository.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { DirectoryStack } from '../system/directory-stack.ts'
import { syncDirectory } from '../system/disk.ts'
import { makeDirectoryDurably } from '../system/durable-file.ts'
import { joinRaw } from '../tree/scan.ts'
import { checkDepth } from '../tree/walk.ts'
import type { CommitLayout } from './commit-layout.ts'
import { PACKAGE_DATABASES } from '../packages/packages.ts'
import type { Sysroot } from './session.ts'
import type { SysrootPaths } from './sysroot.ts'

export const varPath = (paths: SysrootPaths, os: string): string =>
  join(paths.deploy, os, 'var')

/** Directories that programs expect of any /var. */
const USUAL: ReadonlyMap<string, number> = new Map([
  ['cache', 0o755],
  ['lib', 0o755],
  ['log', 0o755],
  ['spool', 0o755],
  ['tmp', 0o1777],
])

/** The package database belongs to the commit and is mounted over its place. */
const isDatabase = (path: string): boolean =>
  (PACKAGE_DATABASES as readonly string[]).includes(`var/${path}`)

const varOf = (
  repository: Repository,
  layout: CommitLayout,
): CommitDefaults | undefined => {
  const entry = repository.loadTree(layout.root.tree).get('var')
  return entry?.object.kind === 'directory'
    ? new CommitDefaults(repository, entry.object)
    : undefined
}

/** Adds to the shared /var what `next` has beyond `before`. */
export const growVar = (
  { repository, paths }: Sysroot,
  os: string,
  before: CommitLayout | undefined,
  next: CommitLayout,
): void => {
  const target = varPath(paths, os)
  makeDirectoryDurably(target)
  const source = varOf(repository, next)
  const base = before === undefined ? undefined : varOf(repository, before)
  const root = DirectoryHandle.open(textToBytes(target))
  const stack = new DirectoryStack(root)
  try {
    if (source !== undefined) new Growth(stack, source, base).in('')
    for (const [name, mode] of USUAL)
      if (root.find(name) === undefined)
        makeEtcNode(root, name, {
          kind: 'directory',
          mode,
          uid: 0,
          gid: 0,
          xattrs: [],
        })
    syncDirectory(root.itself)
  } finally {
    stack.close()
    root.close()
  }
}

/** What `source` has beyond `base`, by descriptors: programs live in that /var. */
class Growth {
  readonly #stack: DirectoryStack
  readonly #source: CommitDefaults
  readonly #base: CommitDefaults | undefined

  constructor(
    stack: DirectoryStack,
    source: CommitDefaults,
    base: CommitDefaults | undefined,
  ) {
    this.#stack = stack
    this.#source = source
    this.#base = base
  }

  /** Adds what lacks in the directory where the walk stands. */
  in(path: string): void {
    checkDepth(this.#stack.depth)
    if (isDatabase(path) || this.#isSame(path)) return
    let isTouched = false
    for (const name of this.#source.names(path)) {
      const child = joinRaw(path, name)
      if (child === UPDATE_MARK) continue
      const old = this.#base?.object(child)
      if (old !== undefined && old.kind !== 'directory') continue
      const isNew = old === undefined && this.#add(child, name)
      if (isNew) isTouched = true
      this.#below(child, name, isNew)
    }
    if (isTouched) syncDirectory(this.#stack.top.itself)
  }

  #isSame(path: string): boolean {
    const a = this.#base?.object(path)
    const b = this.#source.object(path)
    return (
      a?.kind === 'directory' && b?.kind === 'directory' && a.tree === b.tree
    )
  }

  /** False where something stands. */
  #add(path: string, name: string): boolean {
    const node = this.#source.get(path)
    if (node === undefined || this.#stack.top.find(name) !== undefined)
      return false
    makeEtcNode(this.#stack.top, name, node)
    return true
  }

  /** A directory that the administrator removed or replaced stays away. */
  #below(path: string, name: string, isNew: boolean): void {
    if (this.#source.object(path)?.kind !== 'directory') return
    const status = this.#stack.top.find(name)
    if (status === undefined || kindOfMode(status.mode) !== 'directory') return
    const directory = this.#stack.enter(name)
    this.in(path)
    if (isNew) syncDirectory(directory.itself)
    this.#stack.leave()
  }
}
