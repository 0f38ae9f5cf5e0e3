/**
 * Snapshots: layers as they were, kept in the history; and all of a deployment,
 * kept when it leaves.
 */

import { join } from 'node:path'
import { textToBytes } from '../bytes/byte-text.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { isDamage } from '../errors.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { layerFingerprint, readLayer } from '../etc/layer.ts'
import { makeDirectory } from '../system/disk.ts'
import { makeDirectoryDurably, syncTree } from '../system/durable-file.ts'
import { existsSync } from '../system/files.ts'
import { removeTree } from '../system/remove-tree.ts'
import type { Sysroot } from './session.ts'
import { deploymentName, shortName } from './sysroot.ts'
import type { DeploymentId } from './sysroot.ts'

/** What the snapshots of a deployment belong to. */
const ownerOf = (id: DeploymentId) => ({
  os: id.os,
  deployment: deploymentName(id),
  commit: id.commit,
})

export interface LayerAsItIs {
  /** Its upper directory; where the deployment has it, if left out. */
  readonly upper?: string
  /** As `layerFingerprint` makes it, where it is known; else it is read. */
  readonly fingerprint?: string
}

export interface TakenSnapshot {
  /** Its id in the history. */
  readonly snapshot: string
  readonly fingerprint: string
}

/**
 * Takes a snapshot of a layer of a deployment, as it is; `subject` is what the
 * history says of it. One that is equal to the newest of the same deployment is
 * that one. Errors: damage, `SOURCE_CHANGED`, system errors.
 */
export const takeSnapshot = async (
  sysroot: Sysroot,
  id: DeploymentId,
  subject: string,
  layer: LayerAsItIs = {},
): Promise<TakenSnapshot> => {
  const upper = layer.upper ?? sysroot.layerOf(id)
  const fingerprint = layer.fingerprint ?? fingerprintOf(sysroot, id, upper)
  const snapshot = await sysroot.history.take(upper, {
    ...ownerOf(id),
    fingerprint,
    subject,
  })
  return { snapshot, fingerprint }
}

const fingerprintOf = (
  sysroot: Sysroot,
  id: DeploymentId,
  upper: string,
): string => {
  const { defaults } = sysroot.layoutOf(id)
  const below = new CommitDefaults(sysroot.repository, defaults)
  return layerFingerprint(readLayer(textToLatin1(upper), below))
}

/**
 * Keeps a deployment that is about to leave: its layer, where the history has
 * not seen it so, and its directory with record and conflicts.
 */
export const keepLeaving = async (
  sysroot: Sysroot,
  id: DeploymentId,
): Promise<void> => {
  const directory = sysroot.pathOf(id)
  if (!existsSync(directory)) return
  const subject = `${shortName(id)} leaves`
  try {
    await takeSnapshot(sysroot, id, subject)
  } catch (error) {
    // Without its defaults a layer cannot be read; its files can be kept.
    if (!isDamage(error)) throw error
  }
  await sysroot.history.keepWhole(directory, { ...ownerOf(id), subject })
}

/**
 * Makes a deployment again as it was when it left; false when it is not known,
 * as those that older programs removed. Durable but for its name.
 */
export const bringBack = (sysroot: Sysroot, id: DeploymentId): boolean => {
  const directory = sysroot.pathOf(id)
  makeDirectoryDurably(join(directory, '..'))
  if (!sysroot.history.restoreWhole(ownerOf(id), directory)) return false
  // What the kernel had on its way is none of its own any more.
  const work = join(directory, 'etc', 'work')
  removeTree(textToBytes(work))
  makeDirectory(work, 0o700)
  syncTree(directory)
  return true
}
