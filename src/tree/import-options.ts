/** How a directory is imported. */

import type { DirectoryObject } from '../objects/fs-object.ts'
import { canUseXattrs } from '../system/xattr.ts'
import type { MtimePolicy } from './mtime-policy.ts'

export interface ImportProgress {
  readonly phase: 'scan' | 'read'
  readonly files: number
  readonly totalFiles: number
  readonly bytes: number
  readonly totalBytes: number
}

export interface ImportOptions {
  readonly mtime: MtimePolicy
  /** Root of the parent commit, for `--mtime=parent`. */
  readonly parentRoot?: DirectoryObject | undefined
  /** Leave out what changes or vanishes instead of failing. */
  readonly allowChanging?: boolean
  readonly oneFileSystem?: boolean
  /** Read everything, whatever the stat cache says. */
  readonly ignoreStatCache?: boolean
  readonly onProgress?: (progress: ImportProgress) => void
  /** Told of each path left out by `allowChanging`. */
  readonly onSkipped?: (path: string, why: string) => void
}

/** What a tree depends on besides the directory; one word for each. */
export const conditionsOf = (mtime: MtimePolicy): string =>
  [
    mtime.kind,
    mtime.kind === 'clamp' ? mtime.epochSec : '',
    canUseXattrs() ? 'xattrs' : '',
  ].join(' ')
