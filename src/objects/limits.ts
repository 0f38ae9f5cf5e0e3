/**
 * Upper bounds of every length in an object, with the reason for each.
 *
 * Readers refuse what is beyond as damage (`CORRUPT_OBJECT`). Writers refuse to
 * make it (`LIMIT_EXCEEDED`): beside each decoder stands an encoder with the
 * same checks, so that nothing is published that cannot be read.
 */

import { DendroError } from '../errors.ts'
import { KIB, MIB } from '../units.ts'

/** Linux NAME_MAX. */
export const MAX_NAME_BYTES = 255
/** Linux PATH_MAX less its NUL: the longest symlink target. */
export const MAX_TARGET_BYTES = 4095
/** Linux XATTR_NAME_MAX. */
export const MAX_XATTR_NAME_BYTES = 255
/** Linux XATTR_SIZE_MAX. */
export const MAX_XATTR_VALUE_BYTES = 64 * KIB
/** Linux XATTR_LIST_MAX bounds the names of one inode; each takes 2 bytes at least. */
export const MAX_XATTRS = 32 * KIB
/** The chunker cuts at 256 KiB; readers allow room for other parameters. */
export const MAX_CHUNK_BYTES = 16 * MIB
/** Above this a file's extents stand in an object of their own, not in its tree. */
export const MAX_INLINE_EXTENTS = 64
/** 2^22 extents of 64 KiB are a file of 256 GiB. */
export const MAX_EXTENTS = 4 * MIB
/**
 * Of the extents of a large file, but for the last one and chunks before holes.
 * The chunker cuts no shorter than 16 KiB, and holes have 64 KiB.
 */
export const MIN_LISTED_EXTENT_BYTES = 4 * KIB
/** Entries of one directory; a tree object of that many is about 200 MiB. */
export const MAX_TREE_ENTRIES = 2 * MIB
/**
 * One stored object; also the largest decompressed frame a reader allocates.
 * 130,000 files of one directory with the 4 KiB of ACLs that ext4 takes fit.
 */
export const MAX_OBJECT_BYTES = 512 * MIB
/**
 * Directories below one another: more than a path of PATH_MAX can name. What
 * is below can be reached step by step alone.
 */
export const MAX_DEPTH = 2048
/** The kernel's dev_t has 12 bits of major and 20 of minor. */
export const MAX_DEVICE_MAJOR = 0xfff
export const MAX_DEVICE_MINOR = 0xfffff
export const MAX_ID = 0xffffffff
/** `st_mode`: the type and 12 bits. */
export const MAX_MODE = 0o177777
export const MAX_NSEC = 999_999_999
export const MAX_NLINK = 0xffffffff
/** Bytes of the name of a group of hard links. */
export const LINK_GROUP_BYTES = 16
export const MAX_PARENTS = 16
export const MAX_SUBJECT_BYTES = 4 * KIB
export const MAX_BODY_BYTES = 1 * MIB
export const MAX_METADATA_ENTRIES = 1024
export const MAX_METADATA_KEY_BYTES = 255
export const MAX_METADATA_VALUE_BYTES = 64 * KIB
/** All metadata at their longest, and as much again for the rest. */
export const MAX_COMMIT_BYTES = 128 * MIB
/** Names of xattrs anywhere in a tree: users and the kernel know a few dozen. */
export const MAX_SUMMARY_XATTR_NAMES = 4096

/** The error for what is beyond a limit: `what` says of what, and by how much. */
export const beyondLimit = (what: string, max: number): DendroError =>
  new DendroError('LIMIT_EXCEEDED', `${what}, more than ${max}`, {
    hint: 'docs/formats has the limits of a commit',
    data: { limit: max },
  })
