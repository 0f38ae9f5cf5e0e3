/**
 * SYSROOT/boot/loader, where boot loaders read the boot entries: a link to
 * those of the state in force, or copies of them where the file system has no
 * links (vfat). What somebody else put there is left alone.
 */

import { join } from 'node:path'
import { errnoOf } from '../errors.ts'
import { makeSymlink, syncDirectory } from '../system/disk.ts'
import {
  makeDirectoryDurably,
  removeIfThere,
  writeDurably,
} from '../system/durable-file.ts'
import {
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
} from '../system/files.ts'
import type { SysrootPaths } from './sysroot.ts'

/** What symlink(2) says on a file system without links. */
const NO_LINKS = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'])
/** An entry of ours, or one on its way. */
const OWN_ENTRY = /^dendro-.*\.(?:conf|tmp)$/

const entriesIn = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory).filter(name => OWN_ENTRY.test(name))
    : []

/**
 * Has boot loaders find the entries of the state in force. Entries are replaced
 * one by one, the default first; each of old and new can be booted meanwhile.
 * Errors: system errors.
 */
export const showLoader = ({ loader, boot }: SysrootPaths): void => {
  if (!existsSync(join(loader, '..'))) return
  const copies = join(loader, 'entries')
  const status = lstatSync(loader, { throwIfNoEntry: false })
  if (status === undefined) {
    if (madeLink('../dendro/boot/loader', loader)) return
  } else if (!status.isDirectory() || entriesIn(copies).length === 0) return
  copyEntries(join(boot, 'loader', 'entries'), copies)
}

/** False on a file system without links. */
const madeLink = (target: string, path: string): boolean => {
  try {
    makeSymlink(target, path)
    return true
  } catch (error) {
    if (NO_LINKS.has(errnoOf(error) ?? '')) return false
    throw error
  }
}

const copyEntries = (source: string, target: string): void => {
  const wanted = entriesIn(source)
  if (wanted.length === 0 && !existsSync(target)) return
  makeDirectoryDurably(target)
  // The highest version is the default.
  for (const name of wanted.sort(byNumber).reverse()) {
    const bytes = readFileSync(join(source, name))
    const path = join(target, name)
    if (!existsSync(path) || !readFileSync(path).equals(bytes))
      writeDurably(path, bytes)
  }
  const gone = entriesIn(target).filter(name => !wanted.includes(name))
  for (const name of gone) removeIfThere(join(target, name))
  if (gone.length > 0) syncDirectory(target)
}

const byNumber = (a: string, b: string): number =>
  a.localeCompare(b, 'en', { numeric: true })
