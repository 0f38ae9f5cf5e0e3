/** What a sysroot must know before a machine runs one of its deployments. */

import { readFileSync } from '../system/files.ts'
import { join } from 'node:path'
import { UPDATE_MARK } from '../etc/layer.ts'
import { syncDirectory } from '../system/disk.ts'
import { removeIfThere, writeDurably } from '../system/durable-file.ts'
import { markBooted } from '../sysroot/deployment.ts'
import type { DeploymentId, SysrootPaths } from '../sysroot/sysroot.ts'
import { varPath } from '../sysroot/var.ts'

/** Holds the commit that was booted last, whose /usr /var was updated for. */
const lastBootPath = (paths: SysrootPaths, os: string): string =>
  join(paths.deploy, os, 'booted')

const lastBooted = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'latin1').trimEnd()
  } catch {
    // None yet, or unreadable: then /var is updated once more.
    return undefined
  }
}

/**
 * Writes down that a machine runs the deployment, and has systemd see that /var
 * was last updated for another /usr: by their times it could not, where those
 * of a tree are all the same (ConditionNeedsUpdate= in systemd.unit(5)).
 * Durable when it returns. Errors: system errors; a boot can do without it.
 */
export const beginBoot = (paths: SysrootPaths, id: DeploymentId): void => {
  markBooted(paths, id)
  const path = lastBootPath(paths, id.os)
  if (lastBooted(path) === id.commit) return
  const directory = varPath(paths, id.os)
  removeIfThere(join(directory, UPDATE_MARK))
  syncDirectory(directory)
  writeDurably(path, Buffer.from(`${id.commit}\n`))
}
