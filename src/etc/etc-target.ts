/**
 * An /etc in which single paths are set: the mounted overlay of a deployment
 * that runs, or the layer of one that does not. The layer below a mounted
 * overlay must never be written to (overlayfs.rst: "the behavior is undefined").
 */

import { lstatSync, readdirSync } from '../system/files.ts'
import { basename, dirname } from 'node:path'
import { latin1ToBytes } from '../bytes/latin1.ts'
import { makeDirectory, renameFile, syncDirectory } from '../system/disk.ts'
import { temporaryName } from '../system/durable-file.ts'
import type { EtcNode, Maybe } from './etc-node.ts'
import { isSameNode } from './etc-node.ts'
import {
  makeEtcNode,
  makeWhiteout,
  removeEtcNode,
  setMetadata,
} from './node-writer.ts'
import { ancestorsOf } from './plan.ts'
import type { Defaults } from './plan.ts'

export interface EtcTarget {
  /** Makes the path (raw, relative to /etc) be `node`, or nothing. */
  put(path: string, node: Maybe): void
}

const kindAt = (path: Buffer): 'directory' | 'other' | undefined => {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return undefined
  return status.isDirectory() ? 'directory' : 'other'
}

/** Puts `node` in place of whatever stands at `full`, at once where that can be. */
const replace = (full: string, node: EtcNode): void => {
  const path = latin1ToBytes(full)
  const before = kindAt(path)
  if (node.kind === 'directory' && before === 'directory') {
    setMetadata(path, node)
    return
  }
  const temporary = `${dirname(full)}/${temporaryName(`.${basename(full).slice(0, 100)}`)}`
  makeEtcNode(temporary, node)
  if (
    before === 'directory' ||
    (before !== undefined && node.kind === 'directory')
  )
    removeEtcNode(path)
  renameFile(latin1ToBytes(temporary), path)
  syncDirectory(latin1ToBytes(dirname(full)))
}

const removeIfAny = (full: string): void => {
  const path = latin1ToBytes(full)
  if (kindAt(path) === undefined) return
  removeEtcNode(path)
  syncDirectory(latin1ToBytes(dirname(full)))
}

/** The overlay of a running deployment, mounted at `root` (raw path). */
export const mountedTarget = (root: string): EtcTarget => ({
  put: (path, node) => {
    const full = path === '' ? root : `${root}/${path}`
    if (node === undefined) {
      removeIfAny(full)
      return
    }
    for (const above of ancestorsOf(path)) {
      const directory = latin1ToBytes(`${root}/${above}`)
      if (kindAt(directory) === undefined) makeDirectory(directory, 0o755)
    }
    replace(full, node)
  },
})

/** The layer in `upper` (raw path) of a deployment that is mounted nowhere. */
export const layerTarget = (upper: string, defaults: Defaults): EtcTarget => {
  const makeAbove = (path: string): void => {
    for (const above of ancestorsOf(path)) {
      const full = `${upper}/${above}`
      if (kindAt(latin1ToBytes(full)) === 'directory') continue
      const node = defaults.get(above)
      replace(
        full,
        node?.kind === 'directory'
          ? node
          : { kind: 'directory', mode: 0o755, uid: 0, gid: 0, xattrs: [] },
      )
    }
  }
  return {
    put: (path, node) => {
      const full = path === '' ? upper : `${upper}/${path}`
      const below = defaults.get(path)
      if (node !== undefined && isSameNode(node, below)) {
        if (path === '') setMetadata(latin1ToBytes(full), node)
        else if (node.kind === 'directory') clearDirectory(full, node)
        else removeIfAny(full)
        return
      }
      if (node !== undefined) {
        makeAbove(path)
        replace(full, node)
        return
      }
      removeIfAny(full)
      if (below === undefined) return
      makeAbove(path)
      makeWhiteout(full)
      syncDirectory(latin1ToBytes(dirname(full)))
    },
  }
}

/** A directory whose own attributes are the defaults' again; what is in it stays. */
const clearDirectory = (full: string, node: EtcNode): void => {
  const path = latin1ToBytes(full)
  const before = kindAt(path)
  if (before === undefined) return
  if (before === 'other') removeIfAny(full)
  else if (readdirSync(path).length === 0) removeIfAny(full)
  else setMetadata(path, node)
}
