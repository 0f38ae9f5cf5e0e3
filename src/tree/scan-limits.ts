/** What a scan refuses because no commit could hold it. Errors: `LIMIT_EXCEEDED`. */

import { checkTime } from '../objects/check-object.ts'
import { beyondLimit, MAX_DEPTH, MAX_NAME_BYTES } from '../objects/limits.ts'
import { checkTreeEntries } from '../objects/tree.ts'
import type { FileStatus } from '../system/file-status.ts'

/** Before the file is read: it may be the largest of all. */
export const checkStatus = (status: FileStatus): void => {
  checkTime(status.mtimeSec)
  if (!Number.isSafeInteger(status.sizeBytes))
    throw beyondLimit(
      `its size is ${status.sizeBytes}`,
      Number.MAX_SAFE_INTEGER,
    )
}

/** The names in a directory: how many there are, and how long. */
export const checkNames = (names: readonly string[]): void => {
  checkTreeEntries(names.length)
  for (const { length } of names)
    if (length > MAX_NAME_BYTES)
      throw beyondLimit(`a name in it has ${length} bytes`, MAX_NAME_BYTES)
}

/** `depth` is how many names lead to a directory. */
export const checkNesting = (depth: number): void => {
  if (depth > MAX_DEPTH)
    throw beyondLimit(`directories are nested ${depth} deep`, MAX_DEPTH)
}
