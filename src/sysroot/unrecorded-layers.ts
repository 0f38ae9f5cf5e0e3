/**
 * Layers that are mounted and of which nothing is written down: those of a
 * machine that an older program booted, until it boots again.
 *
 * All that is known of them is the name of the upper directory in the mount
 * table, as it was where it was mounted. In a namespace of our own user
 * namespace root wrote it; it counts when it leads to the layer without a link.
 * docs/decisions/mounted-layers.md
 */

import { textToBytes } from '../bytes/byte-text.ts'
import { textToLatin1 } from '../bytes/latin1.ts'
import { unescapeOption } from '../bytes/mount-text.ts'
import { DirectoryHandle } from '../system/directory-handle.ts'
import { descriptorPath } from '../system/files.ts'
import type { MountEntry } from '../system/mount-table.ts'
import { BOOT_DIRECTORY } from './boot-state.ts'
import { findLayerIdentity } from './mounted-layers.ts'

/** Where the names began: our root, or that of the server in the initramfs. */
const ROOTS = ['/', `${BOOT_DIRECTORY}/jail`]

/** The kernel writes `workdir` behind it; a path may have commas. */
const UPPER = /(?:^|,)upperdir=\/(.+),workdir=/

/** Some kernels show the path as it was given, with overlayfs's escapes. */
const spellings = (path: string): string[] => {
  const plain = unescapeOption(path)
  return plain === path ? [path] : [path, plain]
}

/** Identity of the directory at `path`, with no link below `root`. */
const identityBelow = (root: string, path: string): string | undefined => {
  let top: DirectoryHandle
  try {
    top = DirectoryHandle.open(textToBytes(root))
  } catch {
    // This machine was not booted from a deployment.
    return undefined
  }
  try {
    const upper = top.beneath(textToLatin1(path))
    try {
      return findLayerIdentity(descriptorPath(upper.fd))
    } finally {
      upper.close()
    }
  } catch {
    // It is not there, or a link: what is mounted is something else.
    return undefined
  } finally {
    top.close()
  }
}

/**
 * The layer (`layerIdentity`) that `entry` of a believed table shows as an
 * /etc; undefined where it is none that can be found.
 */
export const unrecordedLayer = (
  entry: Pick<MountEntry, 'type' | 'mountpoint' | 'options'>,
  roots: readonly string[] = ROOTS,
): string | undefined => {
  if (entry.type !== 'overlay' || !entry.mountpoint.endsWith('/etc'))
    return undefined
  const path = UPPER.exec(entry.options)?.[1]
  if (path === undefined) return undefined
  for (const root of roots)
    for (const spelling of spellings(path)) {
      const layer = identityBelow(root, spelling)
      if (layer !== undefined) return layer
    }
  return undefined
}
