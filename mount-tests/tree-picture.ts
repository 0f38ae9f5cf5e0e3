/** What a program sees of a tree, as text that can be compared. */

import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readlinkSync, readdirSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'

/** The bytes of a path that is kept as latin1 text. */
export const bytesOf = (path: string): Buffer => Buffer.from(path, 'latin1')

/** All paths below a directory, relative to it, in the order of their bytes. */
export const pathsBelow = (root: string): string[] =>
  readdirSync(bytesOf(root), { encoding: 'latin1' })
    .sort()
    .flatMap(name => {
      const path = join(root, name)
      const isDirectory = lstatSync(bytesOf(path)).isDirectory()
      const below = isDirectory ? pathsBelow(path) : []
      return [name, ...below.map(each => `${name}/${each}`)]
    })

const contentOf = (path: Buffer, status: BigIntStats): string => {
  if (status.isSymbolicLink()) return readlinkSync(path, { encoding: 'latin1' })
  if (!status.isFile()) return ''
  return createHash('sha1').update(readFileSync(path)).digest('hex')
}

/**
 * A line for each path: type and mode, owner, device, size, links, what the
 * first name of the same inode is, time and content. Times from `since` on are
 * told as "changed", and sizes of directories not at all.
 */
export const pictureOf = (root: string, since: Date): string[] => {
  const firstNames = new Map<string, string>()
  return pathsBelow(root).map(path => {
    const full = bytesOf(join(root, path))
    const status = lstatSync(full, { bigint: true })
    const inode = `${status.dev}:${status.ino}`
    const first = firstNames.get(inode) ?? path
    firstNames.set(inode, first)
    const isChanged = status.mtimeMs >= since.getTime()
    return [
      path,
      status.mode.toString(8),
      `${status.uid}:${status.gid}`,
      status.rdev,
      status.isDirectory() ? '' : status.size,
      `${status.nlink} links, ${first}`,
      isChanged ? 'changed' : status.mtimeNs,
      contentOf(full, status),
    ].join(', ')
  })
}
