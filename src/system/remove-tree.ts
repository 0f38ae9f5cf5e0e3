/**
 * Removes a directory with everything in it, however deep; by descriptors, so
 * that who swaps a directory for a link meanwhile has nothing else removed.
 */

import { rmdirSync, unlinkSync } from './files.ts'
import { bytesToLatin1 } from '../bytes/latin1.ts'
import { errnoOf } from '../errors.ts'
import { DirectoryHandle, isSameFile } from './directory-handle.ts'
import { DirectoryStack } from './directory-stack.ts'
import type { FileStatus } from './file-status.ts'

/** What is still to be done in a directory that was entered. */
interface Level {
  readonly name: string
  readonly directories: string[]
}

/** Does `work`; that the name is gone already is well. */
const unlessGone = (work: () => unknown): void => {
  try {
    work()
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

/** Removes all files of the directory; the names of its directories. */
const clear = (directory: DirectoryHandle): string[] => {
  const directories: string[] = []
  for (const entry of directory.list())
    if (entry.isDirectory()) directories.push(entry.name)
    else unlessGone(() => unlinkSync(directory.at(entry.name)))
  return directories
}

/**
 * Removes the directory `name` of `parent`; that it is not there is well. With
 * `only`, nothing is removed when another directory stands there by now.
 */
export const removeTreeIn = (
  parent: DirectoryHandle,
  name: string,
  only?: FileStatus,
): void => {
  const stack = new DirectoryStack(parent)
  const levels: Level[] = []
  const enter = (child: string): void => {
    let entered: DirectoryHandle | undefined
    unlessGone(() => (entered = stack.enter(child)))
    if (entered === undefined) return
    const isOther = only !== undefined && levels.length === 0
    if (isOther && !isSameFile(stack.top.status(), only)) return
    levels.push({ name: child, directories: clear(entered) })
  }
  try {
    enter(name)
    for (
      let level = levels.at(-1);
      level !== undefined;
      level = levels.at(-1)
    ) {
      const next = level.directories.pop()
      if (next !== undefined) {
        enter(next)
        continue
      }
      levels.pop()
      stack.leave()
      const { name: done } = level
      unlessGone(() => rmdirSync(stack.top.at(done)))
    }
  } finally {
    stack.close()
  }
}

/** Empties `directory`, which stays. */
export const removeAllIn = (directory: DirectoryHandle): void => {
  for (const name of clear(directory)) removeTreeIn(directory, name)
}

/** Removes the directory `path` (raw bytes), whose last name is not followed; absent is well. */
export const removeTree = (path: Buffer): void => {
  const text = bytesToLatin1(path).replace(/\/+$/, '')
  const slash = text.lastIndexOf('/')
  unlessGone(() => {
    const above = slash < 0 ? '.' : text.slice(0, slash + 1)
    const parent = DirectoryHandle.open(Buffer.from(above, 'latin1'))
    try {
      removeTreeIn(parent, text.slice(slash + 1))
    } finally {
      parent.close()
    }
  })
}
