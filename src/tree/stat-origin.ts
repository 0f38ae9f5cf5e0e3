/** What the records of a stat cache depend on besides the files. */

import { ownNamespaceName } from '../system/namespaces.ts'
import { effectiveUser } from '../system/root-user.ts'
import { clockedSuperblock } from '../system/superblock.ts'
import { canUseXattrs } from '../system/xattr.ts'

export interface StatOrigin {
  /** Records of another one are not believed. */
  readonly id: string
  /** Of the superblock, as `MountEntry.device`. */
  readonly device: string
}

/**
 * Stands for the file system of the open directory `fd` and for who looks at
 * it: other users do not see all xattrs, other user namespaces other owners.
 * Undefined where no record may be believed. docs/formats/stat-cache.md
 */
export const originOf = (fd: number): StatOrigin | undefined => {
  const superblock = clockedSuperblock(fd)
  if (superblock === undefined) return undefined
  const namespace = ownNamespaceName('user')
  const xattrs = canUseXattrs() ? 'xattrs' : ''
  const { id, device } = superblock
  const seenBy = [effectiveUser(), namespace, xattrs]
  return { id: [id, ...seenBy].join(' '), device }
}
