/** Opens the directory that is to be committed, once for all that is read of it. */

import { latin1ToBytes, latin1ToDisplay } from '../bytes/latin1.ts'
import { DendroError, errnoOf } from '../errors.ts'
import { DirectoryHandle, isSameFile } from '../system/directory-handle.ts'
import { lstatBytes } from '../system/file-status.ts'
import { isDirectoryStatus } from './scan.ts'
import { changedError, sourceError } from './source-error.ts'

/**
 * `source` is a raw absolute path. The caller closes the handle. Errors:
 * `NOT_FOUND`, `NOT_A_DIRECTORY` (also for a link to one),
 * `SOURCE_UNREADABLE`.
 */
export const openSource = (source: string): DirectoryHandle => {
  const path = latin1ToBytes(source)
  const shown = latin1ToDisplay(source)
  try {
    const status = lstatBytes(path)
    if (!isDirectoryStatus(status))
      throw new DendroError(
        'NOT_A_DIRECTORY',
        `cannot commit ${shown}: it is not a directory`,
        { hint: 'name the directory that holds the tree' },
      )
    const root = DirectoryHandle.open(path)
    if (isSameFile(root.status(), status)) return root
    root.close()
    throw changedError(source, 'it was replaced meanwhile')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new DendroError(
        'NOT_FOUND',
        `cannot commit ${shown}: there is no such directory`,
        { cause: error, hint: 'check the path' },
      )
    throw sourceError(source, error)
  }
}
