/**
 * The xattrs that hold POSIX ACLs: their names, and the one that says nothing.
 *
 * Layout of the value: a version (u32, 2), then entries of tag (u16),
 * permissions (u16) and id (u32). Source: include/uapi/linux/posix_acl_xattr.h,
 * acl(5). view/posix-acl.ts reads it.
 */

export const ACL_PREFIX = 'system.posix_acl_'
/** Who may do what with the object. */
export const ACL_ACCESS = `${ACL_PREFIX}access`
/** What is made in the directory gets. */
export const ACL_DEFAULT = `${ACL_PREFIX}default`

/** An ACL (latin1) that says what a mode says: rwx for the owner, nothing for others. */
export const MINIMAL_ACL =
  '\x02\0\0\0' +
  '\x01\0\x07\0\xff\xff\xff\xff' +
  '\x04\0\0\0\xff\xff\xff\xff' +
  '\x20\0\0\0\xff\xff\xff\xff'
