/** A throw-away writable layer over the running /usr. */

import { mkdirSync, rmSync } from '../system/files.ts'
import { join } from 'node:path'
import { DendroError } from '../errors.ts'
import { MNT_DETACH, MS_NODEV, mountAt, unmountAt } from '../system/mounts.ts'
import { UNLOCKED_LAYER, runningLayer } from '../sysroot/running.ts'
import type { RunningEtc } from '../sysroot/running.ts'
import { layerPath, shortName } from '../sysroot/sysroot.ts'
import type { DeploymentId, SysrootPaths } from '../sysroot/sysroot.ts'
import { requireRoot } from '../system/root-user.ts'
import { SHARED_BASE } from '../system/protocol.ts'

const LAYERS = `${SHARED_BASE}/unlocked`

const requireRunning = (
  paths: SysrootPaths,
  id: DeploymentId | undefined,
): RunningEtc & { readonly root: string } => {
  const running =
    id === undefined ? undefined : runningLayer(layerPath(paths, id))
  if (running === undefined || running.pid !== undefined || id === undefined)
    throw new DendroError('NO_DEPLOYMENT', 'no deployment runs here', {
      hint: 'boot one, or put one together with dendro root assemble',
    })
  return { ...running, root: running.mountpoint.replace(/\/etc$/, '') }
}

/**
 * Makes /usr of the running deployment writable until the next boot; where it
 * is. Errors: `NO_DEPLOYMENT`, `MOUNT_BUSY`.
 */
export const unlockUsr = (
  paths: SysrootPaths,
  id: DeploymentId | undefined,
): string => {
  requireRoot('unlock /usr')
  const { root, isUnlocked } = requireRunning(paths, id)
  const usr = join(root, 'usr')
  if (isUnlocked)
    throw new DendroError('MOUNT_BUSY', `${usr} is unlocked already`, {
      hint: 'it stays so until the next boot, or dendro live lock',
    })
  const directory = `${LAYERS}${root}`.replace(/\/$/, '')
  const upper = join(directory, 'upper')
  const work = join(directory, 'work')
  mkdirSync(LAYERS, { recursive: true, mode: 0o700 })
  mountAt(UNLOCKED_LAYER, ensure(directory), 'tmpfs', MS_NODEV, 'mode=0755')
  mkdirSync(upper, { mode: 0o755 })
  mkdirSync(work)
  const escape = (path: string) => path.replace(/[\\,:]/g, '\\$&')
  try {
    mountAt(
      UNLOCKED_LAYER,
      usr,
      'overlay',
      MS_NODEV,
      `lowerdir=${escape(usr)},upperdir=${escape(upper)},workdir=${escape(work)}`,
    )
  } catch (error) {
    unmountAt(directory, MNT_DETACH)
    throw error
  }
  return usr
}

const ensure = (directory: string): string => {
  mkdirSync(directory, { recursive: true })
  return directory
}

/** Throws the layer away. Errors: `NO_DEPLOYMENT`, `NOT_MOUNTED`. */
export const lockUsr = (paths: SysrootPaths, id: DeploymentId): string => {
  requireRoot('lock /usr')
  const { root, isUnlocked } = requireRunning(paths, id)
  if (!isUnlocked)
    throw new DendroError(
      'NOT_MOUNTED',
      `/usr of ${shortName(id)} is not unlocked`,
    )
  const directory = `${LAYERS}${root}`.replace(/\/$/, '')
  unmountAt(join(root, 'usr'), MNT_DETACH)
  unmountAt(directory, MNT_DETACH)
  rmSync(directory, { recursive: true, force: true })
  return join(root, 'usr')
}
