/** dendro root */

import { absolutePath } from '../../system/caller.ts'
import { mkdirSync, realpathSync, statSync } from '../../system/files.ts'
import { assembleRoot, releaseRoot } from '../../root/assemble.ts'
import { beginBoot } from '../../root/begin-boot.ts'
import { deploymentParts } from '../../root/enter.ts'
import { enterableOf, lockEnterable } from '../../sysroot/enterable.ts'
import { chooseDeployment } from '../../deploy/etc-view.ts'
import { deploymentName } from '../../sysroot/sysroot.ts'
import { DendroError, wrapSystemError } from '../../errors.ts'
import { openView } from '../../mount/mounting.ts'
import type { FileLock } from '../../system/lock.ts'
import type { Verb } from '../shared/arguments.ts'
import type { definition } from '../definitions/root.ts'
import { withSysroot } from '../shared/open-sysroot.ts'
import { printJson } from '../shared/output.ts'
import { requireRoot } from '../../system/root-user.ts'

export const verb: Verb<typeof definition> = {
  run: async invocation => {
    const { global, operands } = invocation
    requireRoot('assemble a root')
    const directory = absolutePath(operands.directory)
    if (invocation.form === 'release') {
      releaseRoot(realDirectory(directory))
      return
    }
    const index = invocation.operands.deployment
    await withSysroot(global, async sysroot => {
      const { repository, paths } = sysroot
      const deployment = chooseDeployment(sysroot, index)
      const layout = sysroot.layoutOf(deployment)
      const target = emptyDirectory(directory)
      const view = await openView(repository)
      let lock: FileLock | undefined
      try {
        lock = await lockEnterable(enterableOf(paths, deployment))
        const parts = deploymentParts(paths, deployment)
        beginBoot(paths, deployment)
        assembleRoot(repository, view.path, layout, parts, target)
      } finally {
        lock?.release()
        view.release()
      }
      if (global.json)
        printJson({ deployment: deploymentName(deployment), root: target })
    })
  },
}

/** The real path of what may be a root, or the path as it is. */
const realDirectory = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    // Nothing is assembled there; that is said of it as it was given.
    return path
  }
}

/** The real path of a directory, made if need be. */
const emptyDirectory = (path: string): string => {
  try {
    mkdirSync(path, { recursive: true })
    const real = realpathSync(path)
    if (statSync(real).isDirectory()) return real
  } catch (error) {
    throw wrapSystemError(`cannot assemble a root at ${path}`, error)
  }
  throw new DendroError(
    'NOT_A_DIRECTORY',
    `cannot assemble a root at ${path}: it is not a directory`,
  )
}
