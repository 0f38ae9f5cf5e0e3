/**
 * Removes a directory with everything in it, however deep: the way down is a
 * list and not the stack. Follows no link.
 */

import { readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { errnoOf } from '../errors.ts'

const SLASH = Buffer.from('/')

/** Removes `path` (raw bytes); that it is not there is well. */
export const removeTree = (path: Buffer): void => {
  const directories: Buffer[] = [path]
  try {
    // Grows while it is walked.
    for (const directory of directories)
      for (const entry of readdirSync(directory, {
        withFileTypes: true,
        encoding: 'buffer',
      })) {
        const child = Buffer.concat([directory, SLASH, entry.name])
        if (entry.isDirectory()) directories.push(child)
        else unlinkSync(child)
      }
    for (const directory of directories.reverse()) rmdirSync(directory)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
