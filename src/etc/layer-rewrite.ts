/**
 * Puts paths in the layer of a deployment that is mounted nowhere: a new layer
 * is written beside it that says what the mounted overlay would show, and takes
 * its place by one rename. So it is all or nothing, and no directory of it
 * hides or redirects more than its names say. Files that stay are links to the
 * old ones: inode, times and other names stay as they were.
 */

import { errnoOf } from '../errors.ts'
import type { DirectoryHandle } from '../system/directory-handle.ts'
import {
  exchangeFiles,
  linkFile,
  setAttributes,
  syncDirectory,
} from '../system/disk.ts'
import { dropXattr } from '../system/xattr.ts'
import type { Maybe } from './etc-node.ts'
import { isSameNode } from './etc-node.ts'
import { notADirectory } from './mounted-etc.ts'
import { refuseUnwritable, unwritable } from './etc-target.ts'
import type { EtcTarget, PreparedPuts } from './etc-target.ts'
import { isMetacopyFile, isProtected, unlessGone } from './layer-entry.ts'
import type { Changes } from './layer.ts'
import { inParent, LayerTree } from './layer-tree.ts'
import { makeEtcNode, makeWhiteout, removeEtcNode } from './node-writer.ts'
import type { OwnedPaths } from './owned.ts'
import { ancestorsOf, byPath, splitLast } from './raw-path.ts'
import type { Defaults } from './plan.ts'
import { putChanges } from './put-changes.ts'
import type { EtcPut } from './put-changes.ts'

export interface Layer {
  /** Raw path of the upper directory. */
  readonly upper: string
  /** What it says, as `readLayer` has it. */
  readonly changes: Changes
  readonly defaults: Defaults
  readonly owned: OwnedPaths
}

/** Name of the layer on its way, beside the one it replaces. */
const NEXT = 'next'

export const layerTarget = (layer: Layer): EtcTarget => ({
  prepare: puts => {
    const next = new NextLayer(layer, puts)
    try {
      next.write()
    } catch (error) {
      next.close()
      throw error
    }
    return next
  },
})

class NextLayer implements PreparedPuts {
  readonly #layer: Layer
  readonly #puts: readonly EtcPut[]
  readonly #put: ReadonlySet<string>
  readonly #after: Changes

  constructor(layer: Layer, puts: readonly EtcPut[]) {
    this.#layer = layer
    this.#puts = puts
    this.#put = new Set(puts.map(({ path }) => path))
    this.#after = putChanges(layer.changes, layer.defaults, puts)
  }

  write(): void {
    inParent(this.#layer.upper, (parent, name) => {
      removeIfThere(parent)
      const old = parent.child(name)
      const tree = new LayerTree(parent, NEXT, path => this.#nodeAt(path))
      try {
        this.#refuseUnwritable(old)
        this.#writeEntries(old, tree)
        tree.finish()
      } finally {
        tree.close()
        old.close()
      }
    })
  }

  carryOut(onPut: (path: string) => void): void {
    inParent(this.#layer.upper, (parent, name) => {
      exchangeFiles(parent.at(NEXT), parent.at(name))
      for (const { path } of this.#puts) onPut(path)
      syncDirectory(parent.itself)
    })
  }

  close(): void {
    inParent(this.#layer.upper, removeIfThere)
  }

  #nodeAt(path: string): Maybe {
    return this.#after.has(path)
      ? this.#after.get(path)
      : this.#layer.defaults.get(path)
  }

  /** What goes must not be immutable; what stays is found out by linking it. */
  #refuseUnwritable(old: DirectoryHandle): void {
    refuseUnwritable(old, undefined, '')
    for (const path of this.#layer.changes.keys())
      if (path !== '')
        inDirectory(old, path, (directory, name) => {
          if (directory.find(name) === undefined) return
          refuseUnwritable(directory, name, path)
          // The overlay keeps the flags in an xattr.
          const isTouched = [path, ...ancestorsOf(path)].some(
            one =>
              this.#put.has(one) && this.#nodeAt(one)?.kind !== 'directory',
          )
          if (
            (isTouched || this.#put.has(path)) &&
            isProtected(directory, name)
          )
            throw unwritable(path, 'EPERM', undefined)
        })
  }

  #writeEntries(old: DirectoryHandle, tree: LayerTree): void {
    const paths = [...this.#after.keys()].sort(byPath)
    for (const path of paths) {
      if (path === '') continue
      const node = this.#after.get(path)
      const blocked = ancestorsOf(path).find(
        above => this.#nodeAt(above)?.kind !== 'directory',
      )
      if (blocked !== undefined) {
        if (node !== undefined) throw notADirectory(path, blocked)
        continue
      }
      if (!this.#isNeeded(path, node)) continue
      if (node?.kind === 'directory') tree.directory(path)
      else
        tree.entry(path, (directory, name) => {
          if (node === undefined) makeWhiteout(directory, name)
          else if (this.#put.has(path)) makeEtcNode(directory, name, node)
          else if (!keep(old, path, directory, name))
            makeEtcNode(directory, name, node)
        })
    }
  }

  /** What was put and equals the default needs no entry; what was there stays. */
  #isNeeded(path: string, node: Maybe): boolean {
    const below = this.#layer.defaults.get(path)
    if (node === undefined) return below !== undefined
    if (!this.#put.has(path) || this.#layer.owned.has(path)) return true
    return !isSameNode(node, below)
  }
}

const removeIfThere = (parent: DirectoryHandle): void => {
  if (parent.find(NEXT) !== undefined) removeEtcNode(parent, NEXT)
}

/** Has `work` do something in the directory of `path`, if it is there. */
const inDirectory = (
  root: DirectoryHandle,
  path: string,
  work: (directory: DirectoryHandle, name: string) => void,
): void => {
  const [above, name] = splitLast(path)
  const directory = unlessGone(() => root.beneath(above))
  if (directory === undefined) return
  try {
    work(directory, name)
  } finally {
    directory.close()
  }
}

/**
 * Gives what the old layer has at `path` its name in the new one; false where it
 * has nothing whole to give.
 */
const keep = (
  old: DirectoryHandle,
  path: string,
  directory: DirectoryHandle,
  name: string,
): boolean => {
  let isKept = false
  inDirectory(old, path, (from, oldName) => {
    // What shows through from below, or has its content there, becomes a file.
    if (from.find(oldName) === undefined || isMetacopyFile(from, oldName))
      return
    try {
      linkFile(from.at(oldName), directory.at(name))
      forgetOrigin(directory.at(name))
      isKept = true
    } catch (error) {
      // More links than the file system counts.
      if (errnoOf(error) !== 'EMLINK')
        throw unwritable(path, errnoOf(error), error)
    }
  })
  return isKept
}

/**
 * A file that was copied up says so, and overlayfs takes it for the one below.
 * It must not, when that one shows again under its own name (ESTALE).
 */
const forgetOrigin = (path: Buffer): void =>
  setAttributes(path, () => dropXattr(path, 'trusted.overlay.origin'))
