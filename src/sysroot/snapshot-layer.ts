/** Snapshots of a deployment: of its layer, and of all of it when it leaves. */

import { join } from 'node:path'
import { textToLatin1 } from '../bytes/latin1.ts'
import { isDamage } from '../errors.ts'
import type { LayerHistory } from '../etc/history.ts'
import { CommitDefaults } from '../etc/defaults.ts'
import { layerFingerprint, readLayer } from '../etc/layer.ts'
import type { Repository } from '../store/repository.ts'
import { makeDirectory } from '../system/disk.ts'
import { makeDirectoryDurably, syncTree } from '../system/durable-file.ts'
import { existsSync } from '../system/files.ts'
import { removeTree } from '../system/remove-tree.ts'
import { textToBytes } from '../bytes/byte-text.ts'
import { inspectCommit } from './commit-layout.ts'
import {
  commitOf,
  deploymentName,
  deploymentPath,
  layerPath,
  shortName,
} from './sysroot.ts'
import type { DeploymentId, SysrootPaths } from './sysroot.ts'

/** Where layers are, and where their snapshots go. */
export interface LayerPlaces {
  readonly repository: Repository
  readonly paths: SysrootPaths
  readonly history: LayerHistory
}

/** What its snapshots belong to. */
export const ownerOf = (id: DeploymentId) => ({
  os: id.os,
  deployment: deploymentName(id),
  commit: id.commit,
})

/** Takes a snapshot of a deployment's layer as it is; its id. */
export const snapshotLayer = (
  { repository, paths, history }: LayerPlaces,
  id: DeploymentId,
  subject: string,
): Promise<string> => {
  const upper = layerPath(paths, id)
  const { defaults } = inspectCommit(repository, commitOf(id))
  const changes = readLayer(
    textToLatin1(upper),
    new CommitDefaults(repository, defaults),
  )
  const fingerprint = layerFingerprint(changes)
  return history.take(ownerOf(id), upper, fingerprint, subject)
}

/**
 * Keeps a deployment that is about to leave: its layer, where the history has
 * not seen it so, and its directory with record and conflicts.
 */
export const keepLeaving = async (
  places: LayerPlaces,
  id: DeploymentId,
): Promise<void> => {
  const directory = deploymentPath(places.paths, id)
  if (!existsSync(directory)) return
  const subject = `${shortName(id)} leaves`
  try {
    await snapshotLayer(places, id, subject)
  } catch (error) {
    // Without its defaults a layer cannot be read; its files can be kept.
    if (!isDamage(error)) throw error
  }
  await places.history.keepWhole(ownerOf(id), directory, subject)
}

/**
 * Makes a deployment again as it was when it left; false when it is not known,
 * as those that older programs removed. Durable but for its name.
 */
export const bringBack = (
  { paths, history }: LayerPlaces,
  id: DeploymentId,
): boolean => {
  const directory = deploymentPath(paths, id)
  makeDirectoryDurably(join(directory, '..'))
  if (!history.restoreWhole(ownerOf(id), directory)) return false
  // What the kernel had on its way is none of its own any more.
  const work = join(directory, 'etc', 'work')
  removeTree(textToBytes(work))
  makeDirectory(work, 0o700)
  syncTree(directory)
  return true
}
