/** Makes a small tree that holds one of everything a tree can hold. */

import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { shim } from '../src/system/native.ts'
import { writeXattr } from '../src/system/xattr.ts'

const S_IFCHR = 0o020000
const S_IFBLK = 0o060000
const S_IFIFO = 0o010000
const S_IFSOCK = 0o140000
const MIB = 1024 * 1024

/** Bytes that do not repeat and do not compress. */
export const noise = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

export interface OddTreeOptions {
  /** Also what carries xattrs. */
  readonly withXattrs?: boolean
}

/** Makes it at `root`, which must not exist. */
export const makeOddTree = (
  root: string,
  { withXattrs = true }: OddTreeOptions = {},
): void => {
  const at = (name: string) => Buffer.from(`${root}/${name}`, 'latin1')
  mkdirSync(root, { mode: 0o755 })
  for (const name of ['empty-a', 'empty-b', 'dir', 'dir/deep', 'links', 'usr'])
    mkdirSync(at(name))
  writeFileSync(at('small'), 'small\n')
  writeFileSync(at('empty'), '')
  writeFileSync(at('dir/middle'), noise(100_000, 7))
  writeFileSync(at('dir/deep/large'), noise(3 * MIB + 17, 8))
  writeFileSync(at('caf\xe9'), 'latin-1 name\n')
  writeFileSync(at('\xff\xfe\x80'), 'not UTF-8 at all\n')
  writeFileSync(at(Buffer.from('größe ✓').toString('latin1')), 'UTF-8 name\n')
  writeFileSync(at('line\nbreak'), 'newline in the name\n')
  writeFileSync(at(`${'n'.repeat(255)}`), 'longest name\n')
  symlinkSync('small', at('link'))
  symlinkSync(Buffer.from('\xff nowhere', 'latin1'), at('dangling'))
  symlinkSync('x'.repeat(4000), at('long-link'))
  writeFileSync(at('links/one'), 'linked\n')
  linkSync(at('links/one'), at('links/two'))
  linkSync(at('links/one'), at('dir/three'))
  // Equal content and metadata, yet other inodes: two groups of two.
  writeFileSync(at('links/other-one'), 'linked\n')
  linkSync(at('links/other-one'), at('links/other-two'))
  writeFileSync(at('setuid'), '#!/bin/sh\n')
  lchownSync(at('setuid'), 12, 34)
  chmodSync(at('setuid'), 0o6755)
  mkdirSync(at('sticky'))
  chmodSync(at('sticky'), 0o1777)
  writeFileSync(at('secret'), 'secret\n')
  chmodSync(at('secret'), 0)
  makeSparse(at('sparse'))
  const native = shim()
  native.mknod(at('null'), S_IFCHR | 0o666, 1, 3)
  native.mknod(at('loop'), S_IFBLK | 0o660, 7, 300)
  native.mknod(at('fifo'), S_IFIFO | 0o644, 0, 0)
  native.mknod(at('socket'), S_IFSOCK | 0o755, 0, 0)
  if (withXattrs) addXattrs(at)
  setTimes(at)
}

const makeSparse = (path: Buffer): void => {
  const fd = openSync(path, 'w')
  writeSync(fd, 'begin', 0)
  writeSync(fd, 'middle', 5 * MIB + 3)
  ftruncateSync(fd, 20 * MIB + 1)
  closeSync(fd)
}

/** vfs_cap_data revision 2 with cap_net_raw permitted and effective. */
const CAP_NET_RAW =
  '\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00'

const addXattrs = (at: (name: string) => Buffer): void => {
  writeFileSync(at('capable'), '#!/bin/sh\n')
  writeXattr(at('capable'), 'security.capability', CAP_NET_RAW)
  writeXattr(at('small'), 'user.text', 'value')
  writeXattr(at('small'), 'user.binary', '\x00\xff\x00')
  writeXattr(at('dir'), 'user.on-a-directory', 'yes')
  // struct posix_acl_xattr: user::rw-, user:1000:r--, group::r--, mask::r--, other::---
  const entry = (tag: number, permissions: number, id: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(tag, 0)
    bytes.writeUInt16LE(permissions, 2)
    bytes.writeUInt32LE(id >>> 0, 4)
    return bytes.toString('latin1')
  }
  const none = 0xffffffff
  const acl =
    '\x02\x00\x00\x00' +
    entry(1, 6, none) +
    entry(2, 4, 1000) +
    entry(4, 4, none) +
    entry(16, 4, none) +
    entry(32, 0, none)
  writeFileSync(at('acl'), 'with an ACL\n')
  writeXattr(at('acl'), 'system.posix_acl_access', acl)
}

const setTimes = (at: (name: string) => Buffer): void => {
  const native = shim()
  native.setMtime(at('small'), 1_000_000_000, 123_456_789)
  native.setMtime(at('empty'), -5, 999_999_999)
  native.setMtime(at('link'), 4_000_000_000, 1)
  native.setMtime(at('empty-a'), 1_500_000_000, 42)
  native.setMtime(at('empty-b'), 1_500_000_000, 42)
  native.setMtime(at(''), 1_600_000_000, 7)
}
