/**
 * The names in an open directory: getdents64(2) with a large buffer.
 *
 * Node lists by path alone, which would open the directory once more.
 */

import { KIB } from '../units.ts'
import { check, tryShim } from './native.ts'

/** struct linux_dirent64: 8 bytes inode, 8 offset, 2 length, 1 type, name. */
const LENGTH_AT = 16
const TYPE_AT = 18
const NAME_AT = 19
const DT_DIR = 4

const buffer = Buffer.allocUnsafeSlow(64 * KIB)

export interface DirectoryNames {
  /** Raw bytes as latin1 text, in the order of the file system. */
  readonly names: string[]
  /** Those of them that were told to be directories; more of them may be. */
  readonly directories: ReadonlySet<string>
}

/**
 * The names without . and .., from where the descriptor stands on: from the
 * beginning when it is new. Undefined without the shim. System errors: EIO,
 * ENOENT for a directory that was removed.
 */
export const listNames = (fd: number): DirectoryNames | undefined => {
  const native = tryShim()
  if (native === undefined) return undefined
  const names: string[] = []
  const directories = new Set<string>()
  for (;;) {
    const end = native.getdents(fd, buffer)
    if (end < 0) check(end, 'cannot list the directory')
    if (end === 0) return { names, directories }
    for (let at = 0; at < end; at += buffer.readUInt16LE(at + LENGTH_AT)) {
      const nameEnd = buffer.indexOf(0, at + NAME_AT)
      const name = buffer.toString('latin1', at + NAME_AT, nameEnd)
      if (name === '.' || name === '..') continue
      names.push(name)
      if (buffer[at + TYPE_AT] === DT_DIR) directories.add(name)
    }
  }
}
