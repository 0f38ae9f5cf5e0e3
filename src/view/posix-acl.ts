/**
 * What a POSIX ACL leaves of a mode where the kernel does not enforce it.
 *
 * With an ACL the group bits of a mode are its mask, so that without one the
 * owning group would get what named users have; and users or groups whom the
 * ACL gives less than others would get what others have. Each class is given
 * what everybody in it has by the ACL: less than the ACL gives, never more.
 * The layout is in objects/acl-xattr.ts.
 */

import { ACL_ACCESS } from '../objects/acl-xattr.ts'
import type { FsObject } from '../objects/fs-object.ts'

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8

const TAG = { user: 0x02, groupObj: 0x04, group: 0x08, mask: 0x10 } as const

const ALL = 7
const GROUP_SHIFT = 3
/** Neither the group nor others. */
const OWNER_ONLY = ~0o077

/** The mode of an object as it is enforced without ACLs. */
export const modeWithoutAcl = ({ mode, xattrs }: FsObject): number => {
  if (xattrs.length === 0) return mode
  const acl = xattrs.find(({ name }) => name === ACL_ACCESS)
  return acl === undefined
    ? mode
    : restrict(mode, Buffer.from(acl.value, 'latin1'))
}

/** `mode` cut down to what `acl` gives to everybody of a class. */
const restrict = (mode: number, acl: Buffer): number => {
  const entries = acl.length - HEADER_BYTES
  const isWhole = entries >= 0 && entries % ENTRY_BYTES === 0
  if (!isWhole || acl.readUInt32LE(0) !== VERSION) return mode & OWNER_ONLY
  const mask = permissionsOf(acl, TAG.mask)
  const owning = permissionsOf(acl, TAG.groupObj) & mask
  // What every named user has, and everybody of a named group; the mask limits
  // them where there are any.
  const users = permissionsOf(acl, TAG.user, mask)
  const groups = permissionsOf(acl, TAG.group, mask)
  // Who is in the owning group has what any of his groups has.
  const group = (mode >>> GROUP_SHIFT) & owning & users
  const other = mode & users & groups
  return (mode & OWNER_ONLY) | (group << GROUP_SHIFT) | other
}

/** What all entries of a kind give, limited to `mask`; all without such entries. */
const permissionsOf = (acl: Buffer, tag: number, mask = ALL): number => {
  let permissions = ALL
  for (let at = HEADER_BYTES; at < acl.length; at += ENTRY_BYTES)
    if (acl.readUInt16LE(at) === tag)
      permissions &= acl.readUInt16LE(at + 2) & mask
  return permissions
}
